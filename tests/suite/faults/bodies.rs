//! Bodies, headers and addresses without an end: every route stops taking them in, and the server stays small.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::answer::authorization;
use crate::forms;
use crate::site::Site;

/// More than any call but an upload may bring.
const SENT: usize = 8 << 20;
const MOST_MEMORY: u64 = 150 << 20;

/// What a server answers to a call whose body, in chunks, has no end; how much of it went out.
fn endless(site: &Site, method: &str, path: &str, kind: &str) -> (u16, usize) {
    let start = if kind.contains("json") { "[" } else { "a=" };
    let mut chunk = start.as_bytes().to_vec();
    chunk.resize(0x10000, b'1');
    sent_on(site, method, path, kind, &[], &chunk, SENT)
}

/// The same with a start and what follows it again and again, up to `most` bytes.
fn sent_on(
    site: &Site,
    method: &str,
    path: &str,
    kind: &str,
    start: &[u8],
    then: &[u8],
    most: usize,
) -> (u16, usize) {
    let address = site.server().base.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client
        .set_write_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let user = authorization("root").unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {user}\r\nContent-Type: {kind}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    client.write_all(head.as_bytes()).unwrap();
    let chunk = |bytes: &[u8]| {
        let length = format!("{:x}\r\n", bytes.len());
        [length.as_bytes(), bytes, b"\r\n"].concat()
    };
    if !start.is_empty() {
        client.write_all(&chunk(start)).unwrap();
    }
    let chunk = chunk(then);
    let mut sent = 0;
    // Refused, the connection is closed at some time.
    while sent < most && client.write_all(&chunk).is_ok() {
        sent += then.len();
    }
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend(&buffer[..read]),
        }
    }
    let line = String::from_utf8_lossy(&answer);
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
    // Closed while it was still sent to: the answer may be lost.
    (status.unwrap_or(0), sent)
}

#[test]
fn no_route_takes_in_a_body_without_end() {
    let site = Site::new();
    let document = site.get("root", "/xapi/openapi.json").json();
    let mut routes = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        // Written to the disk as it comes, up to `archive_max_mb`; below.
        if path == "/data/services/import" {
            continue;
        }
        for method in ["PUT", "POST", "DELETE"] {
            if item[method.to_lowercase()].is_null() {
                continue;
            }
            let address = path.replace(['{', '}', '*'], "");
            for kind in ["application/json", "application/x-www-form-urlencoded"] {
                let (status, sent) = endless(&site, method, &address, kind);
                // Answered without a look at the body, or cut off; never taken in to its end.
                assert!(status < 500, "{method} {address}: {status}");
                assert!(
                    status != 200 || sent < SENT || method == "DELETE",
                    "{method} {address}: {status} after {sent} bytes"
                );
                routes += 1;
            }
        }
    }
    assert!(routes > 60, "{routes}");
    let peak = site.server().memory("VmHWM");
    assert!(peak < MOST_MEMORY, "{} MB", peak >> 20);
    forms::told(
        "bodies without end",
        &format!("{routes} calls"),
        &format!("cut off, peak {} MB", peak >> 20),
    );
}

/// Nothing of it is a part that could be written down: what has no part is not taken in, nor fields without end.
#[test]
fn a_form_without_parts_or_with_fields_without_end_is_cut_off() {
    const MOST: usize = 256 << 20;
    let site = Site::new();
    let kind = "multipart/form-data; boundary=b0";
    let part = b"--b0\r\nContent-Disposition: form-data; name=\"a\"";
    let ones = [b'1'; 0x10000];
    let field = [part, &b"\r\n\r\n"[..], &ones, b"\r\n"].concat();
    let headers = [part, &b"; x=\""[..]].concat();
    let mut ways = 0;
    for path in [
        "/data/services/import?project=P",
        "/xapi/rules/explain?PROJECT_ID=P",
        "/data/services/archive",
        "/data/services/auth",
    ] {
        for (start, then) in [
            (&b""[..], &ones[..]),
            (&headers[..], &ones[..]),
            (&[part, &b"\r\n\r\n"[..]].concat()[..], &ones[..]),
            (&b""[..], &field[..]),
        ] {
            let (status, sent) = sent_on(&site, "POST", path, kind, start, then, MOST);
            assert!(matches!(status, 0 | 400 | 413), "{path}: {status}");
            assert!(sent < MOST, "{path}: all was taken in");
            ways += 1;
        }
    }
    let peak = site.server().memory("VmHWM");
    assert!(peak < MOST_MEMORY, "{} MB", peak >> 20);
    crate::server::wait_for("its end", || site.files("uploads").is_empty().then_some(()));
    forms::told(
        "multipart forms without end",
        &format!("{ways} calls"),
        &format!("cut off, peak {} MB", peak >> 20),
    );
}

#[test]
fn an_upload_ends_at_its_limit_and_leaves_nothing() {
    let mut site = Site::prepared();
    site.serve(&[("SLUICE_ARCHIVE_MAX_MB", "1")]);
    let path = "/data/services/import?import-handler=DICOM-zip&project=P";
    let (status, _) = endless(&site, "POST", path, "application/zip");
    assert!(matches!(status, 0 | 413), "{status}");
    crate::server::wait_for("its end", || site.files("uploads").is_empty().then_some(()));
    assert_eq!(
        site.get("root", "/xapi/dicom/list/all").json(),
        serde_json::json!([])
    );
}

#[test]
fn headers_and_addresses_without_end_are_refused() {
    let site = Site::new();
    let address = site.server().base.strip_prefix("http://").unwrap();
    let long = "x".repeat(4 << 20);
    for head in [
        format!("GET /xapi/dicom/1 HTTP/1.1\r\nHost: {address}\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /xapi/{long} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
        format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\n{}\r\n",
            "A: b\r\n".repeat(100_000)
        ),
    ] {
        let mut client = TcpStream::connect(address).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // It may be closed before all is out.
        _ = client.write_all(head.as_bytes());
        let mut answer = [0; 16];
        let read = client.read(&mut answer).unwrap_or(0);
        let line = String::from_utf8_lossy(&answer[..read]);
        assert!(read == 0 || line.starts_with("HTTP/1.1 4"), "{line}");
    }
    assert_eq!(site.get("", "/healthz").status, 200);
}
