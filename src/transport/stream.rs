//! The stream of a connection: plain or TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::errors;
use crate::model::{Failure, FailureKind};

/// A TCP connection, plain or with TLS.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS; boxed because it is a hundred times larger.
    Tls(Box<TlsStream<TcpStream>>),
    /// TLS to the server inside TLS to a proxy.
    TlsInTls(Box<TlsStream<TlsStream<TcpStream>>>),
}

impl Stream {
    /// Makes the TLS handshake with a server of this name.
    ///
    /// # Errors
    /// Errors of the handshake; `Tls` for an invalid server name, and for TLS in TLS in TLS.
    pub(super) async fn secured(self, tls: &Arc<rustls::ClientConfig>, host: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::with(FailureKind::Tls, format!("{host}{why}"));
        let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong(" is not a server name"))?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let secured = match self {
            Self::Plain(tcp) => connector.connect(name, tcp).await.map(|stream| Self::Tls(Box::new(stream))),
            Self::Tls(outer) => connector.connect(name, *outer).await.map(|stream| Self::TlsInTls(Box::new(stream))),
            Self::TlsInTls(_) => return Err(wrong(": TLS is spoken twice already")),
        };
        secured.map_err(|e| errors::of_tls(&e))
    }
}

impl Stream {
    /// Makes dropping the connection reset it (RST) instead of ending it; unsent data is lost.
    pub fn reset_when_dropped(&self) {
        let tcp = match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => stream.get_ref().0,
            Self::TlsInTls(stream) => stream.get_ref().0.get_ref().0,
        };
        // If the system refuses, the connection ends with a FIN.
        let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
    }
}

/// Calls a method of whichever stream it is.
macro_rules! forward {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match $stream.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
            Stream::TlsInTls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_shutdown(cx))
    }
}
