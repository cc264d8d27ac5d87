//! What `getURL` may ask: nothing, unless the site's configuration names hosts; and then those alone, at public
//! addresses, without redirects, and within bounds of time and size.
//!
//! A project's owner writes scripts, and a server stands inside a hospital's network: neither a name that points
//! there nor a redirect may lead a script to it. Messages hold no address, as scripts put header values in them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::failpoint::is_asked;

/// For a whole call.
const SLOWEST: Duration = Duration::from_secs(3);

/// Of an answer.
const LARGEST: u64 = 64 << 10;

/// Calls of one script over one file.
pub const MOST_CALLS: u32 = 10;

/// Whom scripts may ask.
#[derive(Default)]
pub struct Urls {
    /// In lower case, with a port where it is not the scheme's own.
    hosts: BTreeSet<String>,
    agent: Option<ureq::Agent>,
}

impl Urls {
    /// `hosts` are names, with `:port` where that is not the scheme's own.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self::with(hosts, Public { private_too: false })
    }

    fn with(hosts: impl IntoIterator<Item = String>, resolver: Public) -> Self {
        let hosts: BTreeSet<String> = hosts
            .into_iter()
            .map(|host| host.to_ascii_lowercase())
            .collect();
        let agent = (!hosts.is_empty()).then(|| agent(resolver));
        Self { hosts, agent }
    }

    /// The lines of an answer joined without anything between them.
    pub fn get(&self, url: &str) -> Result<String, String> {
        let Some(agent) = &self.agent else {
            return Err(
                "getURL is off: a rule reaches no network; put the values into a table and use lookup[…], or \
                 have the administrator name the host in geturl_hosts of sluice.toml"
                    .to_owned(),
            );
        };
        let uri: Uri = url
            .parse()
            .map_err(|_| "getURL: the text is no URL".to_owned())?;
        if !self.allows(&uri) {
            return Err(
                "getURL: the host is not one of geturl_hosts in sluice.toml (names, with :port where it is not the \
                 scheme's own; http or https)"
                    .to_owned(),
            );
        }
        let failed = |error: ureq::Error| format!("getURL: {}", why(&error));
        let mut answer = agent.get(uri).call().map_err(failed)?;
        let status = answer.status().as_u16();
        if !(200..300).contains(&status) {
            return Err(format!("getURL: the host answered {status}"));
        }
        let body = answer.body_mut().with_config().limit(LARGEST);
        let text: String = body.read_to_string().map_err(failed)?.lines().collect();
        match text.is_empty() {
            true => Err("getURL: the answer is empty".to_owned()),
            false => Ok(text),
        }
    }

    fn allows(&self, uri: &Uri) -> bool {
        let default = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return false,
        };
        let Some(authority) = uri.authority().filter(|at| !at.as_str().contains('@')) else {
            return false;
        };
        let host = authority.host().to_ascii_lowercase();
        match authority.port_u16() {
            Some(port) if port != default => self.hosts.contains(&format!("{host}:{port}")),
            _ => self.hosts.contains(&host),
        }
    }
}

impl fmt::Debug for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Urls").field("hosts", &self.hosts).finish()
    }
}

fn agent(resolver: Public) -> ureq::Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        // A proxy would look the name up itself, past the resolver here.
        .proxy(None)
        .tls_config(tls)
        .timeout_global(Some(SLOWEST))
        .build();
    ureq::Agent::with_parts(config, DefaultConnector::default(), resolver)
}

/// Looks names up, and knows no private addresses. What it answers is what is connected to: a name that is looked
/// up a second time can't have become another's.
#[derive(Debug)]
struct Public {
    private_too: bool,
}

impl Resolver for Public {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        // A test's own host can't have a public address.
        let private_too = self.private_too || is_asked("geturl.private");
        match private_too || found.iter().all(|at| is_public(at.ip())) {
            true => Ok(found),
            false => Err(ureq::Error::Other(PRIVATE.into())),
        }
    }
}

const PRIVATE: &str = "the host has a private address, and those are not asked";

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// All but what IANA's registry of special addresses keeps from the internet.
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let is_special = match (a, b, c) {
        // 100.64.0.0/10 is a provider's own.
        (0 | 127, ..) | (100, 64..=127, _) => true,
        (192, 0, 0) | (192, 88, 99) | (198, 18 | 19, _) | (224.., ..) => true,
        _ => v4.is_private() || v4.is_link_local() || v4.is_documentation(),
    };
    !is_special
}

/// Of 2000::/3, without what holds another address (Teredo, 6to4) or is for documents.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    match (a, b) {
        (0x2001, 0..0x0200 | 0x0db8) | (0x2002, _) | (0x3fff, 0..0x1000) => false,
        _ => (0x2000..0x4000).contains(&a),
    }
}

fn why(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::Timeout(_) => "no answer in time",
        ureq::Error::HostNotFound => "the host is not found",
        ureq::Error::BodyExceedsLimit(_) => "the answer is longer than 64 KiB",
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "no trusted connection",
        ureq::Error::Other(_) => PRIVATE,
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            "the answer is no UTF-8 text, or the connection is not trusted"
        }
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed => "no connection",
        _ => "the host's answer is no HTTP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// Answers each call with the next of these, and says how many were made.
    fn serve(answers: Vec<String>) -> (String, std::thread::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let serving = std::thread::spawn(move || {
            for answer in &answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = [0; 4096];
                assert!(stream.read(&mut buffer).unwrap() > 0);
                // Who has read enough closes the connection.
                drop(stream.write_all(answer.as_bytes()));
            }
            answers.len()
        });
        (host, serving)
    }

    fn answer(head: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn local(host: &str) -> Urls {
        Urls::with([host.to_owned()], Public { private_too: true })
    }

    #[test]
    fn lines_are_joined_and_what_is_no_good_answer_is_an_error() {
        let large = "x".repeat(LARGEST as usize + 1);
        let (host, serving) = serve(vec![
            answer("200 OK", "one\r\ntwo\n"),
            answer("200 OK", ""),
            answer("404 Not Found", "none"),
            answer("302 Found\r\nLocation: http://example.org/", ""),
            answer("200 OK", &large),
        ]);
        let urls = local(&host);
        let url = format!("http://{host}/path");
        assert_eq!(urls.get(&url).as_deref(), Ok("onetwo"));
        for expected in ["empty", "answered 404", "answered 302", "longer than"] {
            let error = urls.get(&url).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(serving.join().unwrap(), 5, "no call but these was made");
    }

    #[test]
    fn hosts_that_are_not_named_are_not_asked() {
        assert!(
            Urls::default()
                .get("http://example.org/")
                .unwrap_err()
                .contains("off")
        );
        let urls = Urls::new(["Example.org".to_owned(), "example.net:8080".to_owned()]);
        let allows = |url: &str| urls.allows(&url.parse().unwrap());
        for url in [
            "http://example.org/a?b",
            "https://EXAMPLE.org",
            "https://example.org:443/",
            "http://example.net:8080/",
        ] {
            assert!(allows(url), "{url}");
        }
        for url in [
            "http://example.org:8080/",
            "http://example.net/",
            "http://example.org.evil.net/",
            "http://evil.net/example.org",
            "http://example.org@evil.net/",
            "http://me@example.org/",
            "ftp://example.org/",
            "/example.org",
            "http://example.org./",
        ] {
            assert!(!allows(url), "{url}");
        }
        let error = urls.get("http://evil.net/?name=DOE").unwrap_err();
        assert!(
            error.contains("geturl_hosts") && !error.contains("DOE"),
            "{error}"
        );
    }

    #[test]
    fn private_addresses_are_not_asked_by_whatever_name() {
        for host in ["localhost:1", "127.0.0.1:1", "[::1]:1", "10.0.0.1:1"] {
            let urls = Urls::new([host.to_owned()]);
            let error = urls.get(&format!("http://{host}/")).unwrap_err();
            assert!(error.contains("private address"), "{host}: {error}");
        }
        let is_public = |text: &str| is_public(text.parse().unwrap());
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:0:1::",
            "2001:db8::1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(private), "{private}");
        }
        for public in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(public), "{public}");
        }
    }
}
