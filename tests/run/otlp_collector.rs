//! An OTLP collector in the test's own process, over HTTP or gRPC; and a proxy that records request
//! heads.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;

type ReceivedExports = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// A collector; serves until it is dropped.
pub struct OtlpCollector {
    pub url: String,
    received: ReceivedExports,
    _runtime: Runtime,
}

/// One span.
#[derive(Debug, Clone)]
pub struct ReceivedSpan {
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty for a root.
    pub parent: String,
    pub attributes: BTreeMap<String, String>,
    pub failed: bool,
    pub events: Vec<String>,
    pub nanos: u64,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

impl OtlpCollector {
    pub fn http() -> Self {
        let (runtime, received) = (runtime(), ReceivedExports::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let store = Arc::clone(&received);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let store = Arc::clone(&store);
                let service = service_fn(move |request| receive(request, Arc::clone(&store)));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, received, _runtime: runtime }
    }

    pub fn grpc() -> Self {
        let (runtime, received) = (runtime(), ReceivedExports::default());
        let _in = runtime.enter();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("grpc://{}", incoming.local_addr().unwrap());
        let service = TraceServiceServer::new(Grpc(Arc::clone(&received)));
        runtime.spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        drop(_in);
        Self { url, received, _runtime: runtime }
    }

    /// Every byte received, to search for secrets.
    pub fn bytes(&self) -> Vec<u8> {
        self.received.lock().unwrap().iter().flat_map(|request| request.encode_to_vec()).collect()
    }

    /// The attributes of the first resource.
    pub fn resource(&self) -> BTreeMap<String, String> {
        let received = self.received.lock().unwrap();
        attributes(&received[0].resource_spans[0].resource.as_ref().unwrap().attributes)
    }

    pub fn spans(&self) -> Vec<ReceivedSpan> {
        let received = self.received.lock().unwrap();
        let scopes = received.iter().flat_map(|r| &r.resource_spans).flat_map(|r| &r.scope_spans);
        scopes.flat_map(|scope| &scope.spans).map(received_span).collect()
    }
}

fn received_span(span: &Span) -> ReceivedSpan {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    ReceivedSpan {
        name: span.name.clone(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: attributes(&span.attributes),
        failed: span.status.as_ref().is_some_and(|status| status.code == 2),
        events: span.events.iter().map(|event| event.name.clone()).collect(),
        nanos: span.end_time_unix_nano.checked_sub(span.start_time_unix_nano).expect("ends after it begins"),
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(n)) => n.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(&pair.value))).collect()
}

async fn receive(
    request: http::Request<Incoming>,
    received: ReceivedExports,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let fits = request.uri().path() == "/v1/traces" && request.headers()["content-type"] == "application/x-protobuf";
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let status = if fits { 200 } else { 404 };
    if fits {
        received.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
    }
    Ok(http::Response::builder().status(status).body(Full::default()).unwrap())
}

struct Grpc(ReceivedExports);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Forwards connections to a server, and records what is sent to it.
pub struct RecordingProxy {
    pub url: String,
    recorded: Arc<Mutex<Vec<Vec<u8>>>>,
    _runtime: Runtime,
}

impl RecordingProxy {
    pub fn start(server: String) -> Self {
        let (runtime, recorded) = (runtime(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::clone(&recorded);
        runtime.spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(forward(from, server.clone(), Arc::clone(&log)));
            }
        });
        Self { url, recorded, _runtime: runtime }
    }

    /// For each request its path, and the trace and span of its `traceparent`.
    pub fn parents(&self) -> Vec<(String, Option<(String, String)>)> {
        let recorded = self.recorded.lock().unwrap();
        recorded.iter().flat_map(|bytes| requests(&String::from_utf8_lossy(bytes))).collect()
    }
}

/// The requests of a connection. After an upgrade there are only frames.
fn requests(text: &str) -> Vec<(String, Option<(String, String)>)> {
    let mut found: Vec<(String, Option<(String, String)>)> = Vec::new();
    for line in text.lines() {
        // The form fields of the request before may be on the same line.
        let start = ["GET /", "POST /"].iter().find_map(|method| line.find(method));
        if let (Some(at), true) = (start, line.ends_with(" HTTP/1.1")) {
            found.push((line[at..].split(' ').nth(1).unwrap().to_owned(), None));
        }
        if let (Some(value), Some(last)) = (line.strip_prefix("traceparent: "), found.last_mut()) {
            let parts: Vec<&str> = value.split('-').collect();
            assert_eq!((parts.len(), parts[0], parts[3]), (4, "00", "01"), "{value}");
            last.1 = Some((parts[1].to_owned(), parts[2].to_owned()));
        }
    }
    found
}

async fn forward(from: TcpStream, server: String, recorded: Arc<Mutex<Vec<Vec<u8>>>>) {
    let Ok(to) = TcpStream::connect(server).await else { return };
    let (mut client, mut to_client) = from.into_split();
    let (mut from_server, mut to_server) = to.into_split();
    let index = {
        let mut recorded = recorded.lock().unwrap();
        recorded.push(Vec::new());
        recorded.len() - 1
    };
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 16 << 10];
    while let Ok(n @ 1..) = client.read(&mut buffer).await {
        recorded.lock().unwrap()[index].extend_from_slice(&buffer[..n]);
        if to_server.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
