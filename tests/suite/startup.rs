//! How a server starts: the first administrator, settings that are wrong, and what it says of its health.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use sluice::client::Client;

use crate::server::{Server, sluice};
use crate::site::Site;

/// A start that must fail, with its one line of reason.
fn refused(site: &Site, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output: Output = sluice(&site.path(""), arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let reason = String::from_utf8(output.stderr).unwrap();
    assert_eq!(reason.lines().count(), 1, "{reason}");
    reason
}

#[test]
fn the_first_administrators_password_is_printed_once_and_not_logged() {
    let site = Site::empty();
    let printed = site.path("printed");
    let mut passwords = Vec::new();
    for _ in 0..2 {
        let out = Stdio::from(fs::File::create(&printed).unwrap());
        let mut server = Server::start_printing_to(out, &site.path(""), &[]);
        let text = fs::read_to_string(&printed).unwrap();
        if let Some((_, password)) = text.trim_end().split_once("password ") {
            passwords.push(password.to_owned());
        }
        let client = Client::new(&server.base, "admin", &passwords[0]);
        assert_eq!(
            client.get("/xapi/dicom/list/all").unwrap(),
            serde_json::json!([])
        );
        assert!(server.terminate().success());
        assert!(!server.log().concat().contains(&passwords[0]));
    }
    assert_eq!(passwords.len(), 1);
}

#[test]
fn a_given_first_password_is_used() {
    let mut site = Site::empty();
    site.serve(&[("SLUICE_ADMIN_PASSWORD", "admin")]);
    assert_eq!(site.get("admin", "/xapi/dicom/list/all").status, 200);
    assert_eq!(site.command(&["user", "list"], ""), "admin\tadmin\n");
    site.interrupt();
}

#[test]
fn a_wrong_setting_is_named_at_start() {
    let site = Site::empty();
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    fs::write(
        site.path("sluice.toml"),
        "listen = \"127.0.0.1:0\"\nwrokers = 2\n",
    )
    .unwrap();
    let reason = refused(&site, &serve, &[]);
    assert!(
        reason.contains("sluice.toml:2") && reason.contains("wrokers"),
        "{reason}"
    );
    fs::write(site.path("sluice.toml"), "workers = 0\n").unwrap();
    let reason = refused(&site, &serve, &[]);
    assert!(reason.contains("workers"), "{reason}");
    fs::remove_file(site.path("sluice.toml")).unwrap();
    let reason = refused(&site, &serve, &[("SLUICE_WROKERS", "2")]);
    assert!(reason.contains("SLUICE_WROKERS"), "{reason}");
    let reason = refused(&site, &serve, &[("SLUICE_LOG", "=nonsense=")]);
    assert!(reason.contains("log"), "{reason}");
}

#[test]
fn an_address_in_use_is_named_at_start() {
    let site = Site::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = [("SLUICE_LOG", "off"), ("SLUICE_ADMIN_PASSWORD", "admin")];
    let reason = refused(&site, &["serve", "--listen", &address], &environment);
    assert!(reason.contains(&address), "{reason}");
}

#[test]
fn health_is_told_to_everybody() {
    let site = Site::new();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(site.get("", path).status, 200, "{path}");
    }
    fs::rename(site.path("archive"), site.path("gone")).unwrap();
    assert_eq!(site.get("", "/healthz").status, 200);
    assert_eq!(site.get("", "/readyz").status, 503);
    fs::rename(site.path("gone"), site.path("archive")).unwrap();
    assert_eq!(site.get("", "/readyz").status, 200);
}

#[test]
fn a_command_that_fails_says_why_in_one_line() {
    let site = Site::prepared();
    for (arguments, reason) in [
        (&["project", "create", "P"][..], "exists"),
        (&["project", "create", "a/b"], ""),
        (&["project", "grant", "P", "nobody", "member"], ""),
        (
            &["project", "grant", "P", "ada", "king"],
            "owner, member or collaborator",
        ),
        (
            &["project", "create", "Q", "--prearchive-code", "3"],
            "0, 4 or 5",
        ),
        (&["request", "show", "7"], "no request"),
    ] {
        let said = refused(&site, arguments, &[]);
        assert!(
            said.starts_with("sluice: ") && said.contains(reason),
            "{said}"
        );
    }
}

/// It holds the keys of all pseudonyms.
#[test]
fn the_database_is_its_owners_alone() {
    if crate::database::is_elsewhere() {
        return;
    }
    let mut site = Site::empty();
    fs::set_permissions(site.data(), fs::Permissions::from_mode(0o755)).unwrap();
    site.serve(&[("SLUICE_ADMIN_PASSWORD", "admin")]);
    for file in ["sluice.db", "sluice.db-wal", "sluice.db-shm"] {
        let mode = fs::metadata(site.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
    }
    site.interrupt();
}
