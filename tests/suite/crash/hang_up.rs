//! A client that hangs up in the middle of a call: what it asked for is done all the same.

use std::io::Write as _;
use std::net::TcpStream;

use super::scenario::{ARCHIVE, DELETE, Scenario};
use crate::answer::authorization;
use crate::server::wait_for;

/// Long enough for the client to be gone before the server goes on; how long does not matter.
const PAUSE: &str = "sleep(300)";

fn hang_up(scenario: &Scenario, point: &str, call: impl Fn(&str) -> String) {
    let mut site = scenario.template();
    let trace = site.path("trace");
    let environment = [
        ("FAILPOINTS", &*format!("{point}={PAUSE}")),
        ("FAILPOINTS_TRACE", trace.to_str().unwrap()),
    ];
    site.serve(&environment);
    let rows = site.get("otto", "/data/prearchive/projects/P").rows();
    let call = call(rows[0]["url"].as_str().unwrap());
    let address = site
        .server()
        .base
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let mut client = TcpStream::connect(&address).unwrap();
    let credentials = authorization("otto").unwrap();
    let request = format!(
        "{call} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {credentials}\r\nContent-Length: 0\r\n\r\n"
    );
    client.write_all(request.as_bytes()).unwrap();
    wait_for("the middle of the call", || {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        text.lines().any(|line| line == point).then_some(())
    });
    drop(client);
    wait_for("the end of the call", || {
        scenario.is_over(&site).then_some(())
    });
    site.stop();
}

#[test]
fn archiving_goes_on() {
    for point in ["archive.marked", "commit.begun"] {
        hang_up(&ARCHIVE, point, |uri| {
            format!("POST /data/services/archive?src={uri}")
        });
    }
}

#[test]
fn deleting_goes_on() {
    hang_up(&DELETE, "delete.marked", |uri| format!("DELETE /data{uri}"));
}
