//! `--watch` in whole runs, against metrics servers that answer, fail, hang, flood, and send nonsense.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::support::{LENIENT, Rig, Target, eventually, sum};

/// A page as node_exporter writes them, with a counter that grows by 1,000 with each answer.
fn page(answers: u64) -> String {
    format!(
        "# HELP process_resident_memory_bytes Resident memory size in bytes.\n\
         # TYPE process_resident_memory_bytes gauge\n\
         process_resident_memory_bytes{{job=\"chat\",host=\"a\"}} 5.5e+08\n\
         process_resident_memory_bytes{{job=\"chat\",host=\"b\"}} 1e+08\n\
         process_resident_memory_bytes{{job=\"other\"}} 7\n\
         # TYPE http_requests_total counter\n\
         http_requests_total{{code=\"200\"}} {}\n",
        answers * 1_000
    )
}

/// What a metrics server counted.
#[derive(Default)]
struct Counts {
    /// Requests with the right password.
    known: AtomicU64,
    /// Answers of `/metrics`.
    answers: AtomicU64,
    /// Requests for `/weak`, of which the first fails.
    weak: AtomicU64,
    /// Bytes of `/flood` that were written.
    flood: AtomicU64,
}

/// Serves pages of metrics.
struct Pages {
    address: String,
    counts: Arc<Counts>,
}

impl Pages {
    fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, counts) = (listener.local_addr().unwrap().to_string(), Arc::new(Counts::default()));
        let pages = Self { address, counts: Arc::clone(&counts) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counts = Arc::clone(&counts);
                std::thread::spawn(move || answer(stream, &counts));
            }
        });
        pages
    }

    fn watch(&self, name: &str, path: &str, series: &str) -> String {
        format!("--watch={name}=http://me:hunter2@{}{path}#{series}", self.address)
    }
}

fn answer(mut stream: TcpStream, counts: &Counts) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split([' ', '?']).nth(1).unwrap_or_default();
    // me:hunter2
    if head.contains("Basic bWU6aHVudGVyMg==") {
        counts.known.fetch_add(1, Ordering::Relaxed);
    }
    let whole = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    };
    let text = match path {
        "/metrics" => whole("200 OK", &page(counts.answers.fetch_add(1, Ordering::Relaxed))),
        "/garbage" => whole("200 OK", "up{ \u{1b}[31m\nup 1 2 3\nup{a=\"\nnonsense 7\n"),
        "/weak" if counts.weak.fetch_add(1, Ordering::Relaxed) == 0 => {
            whole("503 Service Unavailable", "hunter2 is not known")
        }
        "/weak" => whole("200 OK", &page(1)),
        "/hang" => {
            // Until the client gives up.
            let _ = stream.read(&mut byte);
            return;
        }
        _ => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            while counts.flood.load(Ordering::Relaxed) < 100_000_000 && stream.write_all(&[b'#'; 8_192]).is_ok() {
                counts.flood.fetch_add(8_192, Ordering::Relaxed);
            }
            return;
        }
    };
    let _ = stream.write_all(text.as_bytes());
}

fn events(summary: &Value) -> Vec<String> {
    let events = summary["timeline"]["events"].as_array().unwrap();
    let of_watch = events.iter().filter(|event| event["kind"] == "watch");
    of_watch.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn series_are_recorded_and_a_server_of_metrics_that_fails_is_an_event() {
    let (target, pages) = (Target::start(&[]), Pages::serve());
    let home = tempfile::tempdir().unwrap();
    let watches = [
        pages.watch("memory", "/metrics", "process_resident_memory_bytes{job=\"chat\"}"),
        pages.watch("requests", "/metrics?token=hunter2", "rate(http_requests_total)"),
        pages.watch("weak", "/weak", "process_resident_memory_bytes{job=\"other\"}"),
        pages.watch("silent", "/hang", "up"),
        pages.watch("flood", "/flood", "up"),
        pages.watch("odd", "/garbage", "up{a=\"b\"}"),
        "--watch=gone=http://127.0.0.1:1/metrics#up".to_owned(),
    ];
    let args: Vec<&str> = watches
        .iter()
        .map(String::as_str)
        .chain(["--user-range-max", "3", "--max-saturated", "off"])
        .chain(LENIENT)
        .collect();
    let mut rig = Rig::run(&target.url, "test", &home.path().join("cache"), &args);
    rig.wait_until_ready();
    let watched = |scrape: &str, name: &str| sum(scrape, "soakrig_watched", &[&format!("name=\"{name}\"")]);
    eventually("a second reading", || watched(&rig.scrape(), "weak") == 7.0);
    let scrape = rig.scrape();
    assert_eq!(watched(&scrape, "memory"), 6.5e8, "{scrape}");
    let rate = watched(&scrape, "requests");
    assert!(rate > 0.0 && rate < 3_000.0 / 14.0, "two requests in 15 s or more: {rate}");
    for absent in ["silent", "flood", "odd", "gone"] {
        assert!(!scrape.contains(&format!("soakrig_watched{{name=\"{absent}\"")), "{scrape}");
    }
    let (ended, summary) = rig.stop();
    let events = events(&summary);
    for (name, said) in [
        ("weak", "is not read: "),
        ("weak", "is read again"),
        ("silent", "is not read: timeout"),
        ("flood", "is not read: "),
        ("odd", "has no such series"),
        ("gone", "is not read: "),
    ] {
        let told = events.iter().filter(|text| text.starts_with(&format!("{name}: ")) && text.contains(said)).count();
        assert_eq!(told, 1, "{name} {said}: {events:#?}");
    }
    let slices = summary["timeline"]["slices"].as_array().unwrap();
    let samples =
        |name: &str| slices.iter().map(|slice| slice["watched"][name]["samples"].as_u64().unwrap_or(0)).sum::<u64>();
    assert!(samples("memory") >= 2 && samples("requests") >= 1 && samples("odd") == 0, "{slices:#?}");
    assert!(pages.counts.known.load(Ordering::Relaxed) >= 6);
    assert!(pages.counts.flood.load(Ordering::Relaxed) < 50_000_000, "what is over the limit is not read");
    for text in [&ended.stdout, &ended.stderr, &summary.to_string()] {
        assert!(!text.contains("hunter2") && !text.contains("bWU6"), "{text}");
    }
    assert!(ended.stdout.contains("watched"), "{}", ended.stdout);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
}
