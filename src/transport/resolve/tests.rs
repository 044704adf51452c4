//! Names against files and the test's own name server.

use tokio::net::UdpSocket;

use super::*;

/// A name server that knows only `chat.example`, with these IPv4 addresses.
async fn name_server(addresses: &'static [[u8; 4]]) -> u16 {
    let socket = UdpSocket::bind("127.0.0.53:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            let _ = socket.send_to(&answer(&bytes[..length], addresses), from).await;
        }
    });
    port
}

/// The answer to a query for one name (RFC 1035, 4.1).
fn answer(question: &[u8], addresses: &[[u8; 4]]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 5;
    let known = question[12..end - 4] == *b"\x04chat\x07example\x00";
    let is_a = question[end - 4..end - 2] == [0, 1];
    let addresses = if known && is_a { addresses } else { &[] };
    let mut out = question[..2].to_vec();
    out.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    out.extend_from_slice(&question[12..end]);
    for address in addresses {
        out.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        out.extend(address);
    }
    out
}

/// A resolver with these two files, either of which may be missing.
fn resolver(hosts: Option<&str>, resolv_conf: Option<&str>, port: u16) -> (Resolver, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    let files =
        Files { hosts: root.path().join("hosts"), resolv_conf: root.path().join("resolv.conf"), port: Some(port) };
    for (path, text) in [(&files.hosts, hosts), (&files.resolv_conf, resolv_conf)] {
        text.into_iter().for_each(|text| std::fs::write(path, text).unwrap());
    }
    (Resolver::new(files, Vec::new()), root)
}

async fn found(resolver: &Resolver, host: &str) -> Vec<String> {
    let found = resolver.resolve(host, 80).await.unwrap();
    found.iter().map(|address| address.ip().to_string()).collect()
}

const ASK: Option<&str> = Some("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n");

#[tokio::test]
async fn addresses_need_no_lookup() {
    let (resolver, _root) = resolver(None, None, 9);
    assert_eq!(resolver.resolve("127.0.0.1", 80).await.unwrap(), ["127.0.0.1:80".parse().unwrap()]);
    assert_eq!(resolver.resolve("::1", 443).await.unwrap(), ["[::1]:443".parse().unwrap()]);
}

#[tokio::test]
async fn dns_tells_all_addresses_of_a_name() {
    let port = name_server(&[[127, 0, 0, 5], [127, 0, 0, 6], [127, 0, 0, 7]]).await;
    let (resolver, _root) = resolver(None, ASK, port);
    let mut addresses = found(&resolver, "chat.example").await;
    addresses.sort();
    assert_eq!(addresses, ["127.0.0.5", "127.0.0.6", "127.0.0.7"]);
}

#[tokio::test]
async fn the_hosts_file_comes_before_dns() {
    let port = name_server(&[[127, 0, 0, 5]]).await;
    let (resolver, _root) = resolver(Some("127.0.0.9 chat.example # ours\n::1 six\n"), ASK, port);
    assert_eq!(found(&resolver, "Chat.Example").await, ["127.0.0.9"]);
    assert_eq!(found(&resolver, "six").await, ["::1"]);
}

#[tokio::test]
async fn localhost_is_known_without_any_file() {
    let (resolver, _root) = resolver(None, None, 9);
    assert!(found(&resolver, "localhost").await.contains(&"127.0.0.1".to_owned()));
}

#[tokio::test]
async fn a_name_that_is_not_there_says_so() {
    let port = name_server(&[[127, 0, 0, 5]]).await;
    let (resolver, _root) = resolver(None, ASK, port);
    let failure = resolver.resolve("nowhere.example", 80).await.unwrap_err();
    assert_eq!((failure.kind, &*failure.detail), (FailureKind::Dns, "nowhere.example: there is no such name"));
}

#[tokio::test]
async fn what_the_user_resolves_is_not_looked_up() {
    let fixed = Resolve { host: "chat.example".into(), port: 80, addresses: vec!["127.0.0.8".parse().unwrap()] };
    let resolver = Resolver::new(Files { port: Some(9), ..Files::default() }, vec![fixed]);
    assert_eq!(found(&resolver, "CHAT.example.").await, ["127.0.0.8"]);
}

#[tokio::test(start_paused = true)]
async fn a_hosts_file_that_changes_is_read_again() {
    let (resolver, root) = resolver(Some("127.0.0.1 moving\n"), None, 9);
    assert_eq!(found(&resolver, "moving").await, ["127.0.0.1"]);
    let hosts = root.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.2 moving\n").unwrap();
    let later = SystemTime::now() + Duration::from_secs(10);
    std::fs::File::options().write(true).open(&hosts).unwrap().set_modified(later).unwrap();
    assert_eq!(found(&resolver, "moving").await, ["127.0.0.1"], "not looked at yet");
    tokio::time::advance(LOOK).await;
    assert_eq!(found(&resolver, "moving").await, ["127.0.0.2"]);
}
