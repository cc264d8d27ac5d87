//! A webhook's target: a real listener that keeps what it was told.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use sha2::Sha256;

use crate::server::DEADLINE;

/// What a target was told.
#[derive(Debug)]
pub struct Told {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Told {
    /// Its body, which is as its schema has it.
    pub fn json(&self) -> Value {
        let schema = include_str!("../../schemas/webhook-notice.schema.json");
        let schema = serde_json::from_str(schema).unwrap();
        let body = serde_json::from_str(&self.body).unwrap();
        jsonschema::validate(&schema, &body).unwrap();
        body
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n == name);
        &found.unwrap_or_else(|| panic!("no {name}: {self:?}")).1
    }

    /// What the snippet in `src/server/calls.md` says of it.
    pub fn is_believed_in_python(&self, secret: &str) -> bool {
        let readme = include_str!("../../src/server/calls.md");
        let (_, snippet) = readme.split_once("```python\n").unwrap();
        let (snippet, _) = snippet.split_once("```").unwrap();
        let program = format!(
            "{snippet}\nimport sys\nprint(is_from_sluice(*sys.argv[1:], sys.stdin.buffer.read()))"
        );
        let mut python = Command::new("python3")
            .args(["-c", &program, secret, self.header("x-sluice-signature")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = python.stdin.take().unwrap();
        input.write_all(self.body.as_bytes()).unwrap();
        drop(input);
        match python.wait_with_output().unwrap().stdout.as_slice() {
            b"True\n" => true,
            b"False\n" => false,
            other => panic!("{other:?}"),
        }
    }

    /// The same in other words, and by nothing of Sluice's own code.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let signature = self.header("x-sluice-signature");
        let (time, signature) = signature.split_once(",v1=").unwrap();
        let time = time.strip_prefix("t=").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}.{}", self.body).as_bytes());
        hex::encode(mac.finalize().into_bytes()) == signature
    }
}

/// A target on a port of its own, which gives each call the next of some answers, the last one for ever.
pub struct Target {
    pub url: String,
    told: Receiver<Told>,
}

impl Target {
    pub fn answering(answers: &[&str]) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?a=1", listener.local_addr().unwrap());
        let mut answers: Vec<String> = answers.iter().map(|a| (*a).to_owned()).collect();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let answer = match answers.len() {
                    1 => answers[0].clone(),
                    _ => answers.remove(0),
                };
                if tell.send(take(&mut stream.unwrap(), &answer)).is_err() {
                    return;
                }
            }
        });
        Target { url, told }
    }

    /// A target that speaks TLS, with a certificate of an authority of its own, written to `authority`.
    pub fn with_tls(authority: &Path) -> Target {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca = CertifiedIssuer::self_signed(ca, ca_key).unwrap();
        std::fs::write(authority, ca.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &ca).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config =
            ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "https://localhost:{}/hook",
            listener.local_addr().unwrap().port()
        );
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                let told = take(&mut stream, "200 OK");
                stream.conn.send_close_notify();
                _ = stream.flush();
                if tell.send(told).is_err() {
                    return;
                }
            }
        });
        Target { url, told }
    }

    pub fn next(&self) -> Told {
        self.told.recv_timeout(DEADLINE).unwrap()
    }
}

fn take(stream: &mut (impl Read + Write), answer: &str) -> Told {
    let mut reader = BufReader::new(&mut *stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    // The sender need not read to the end.
    _ = stream.write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").as_bytes());
    let body = String::from_utf8(body).unwrap();
    Told {
        path,
        headers,
        body,
    }
}
