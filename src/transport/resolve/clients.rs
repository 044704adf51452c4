//! The resolver in the forms that HTTP client libraries take.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns;
use tower_service::Service;

use super::Resolver;
use crate::model::Failure;

/// A [`Resolver`] for reqwest, and for hyper's connector below tonic.
#[derive(Debug, Clone)]
pub struct Names(Arc<Resolver>);

impl Names {
    /// Wraps a resolver.
    #[must_use]
    pub fn new(resolver: Resolver) -> Self {
        Self(Arc::new(resolver))
    }

    /// The addresses of a name, with port 0, which the client replaces.
    async fn addresses(self, name: String) -> Result<vec::IntoIter<SocketAddr>, Failure> {
        self.0.resolve(&name, 0).await.map(Vec::into_iter)
    }
}

impl reqwest::dns::Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let names = self.clone();
        Box::pin(async move {
            let found = names.addresses(name.as_str().to_owned()).await?;
            Ok(Box::new(found) as reqwest::dns::Addrs)
        })
    }
}

impl Service<dns::Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        Box::pin(self.clone().addresses(name.as_str().to_owned()))
    }
}
