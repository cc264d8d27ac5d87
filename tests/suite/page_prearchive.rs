//! The page's prearchive as a browser without scripts meets it: what it shows, and what its forms do.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::answer::{Answer, read};
use crate::dicom;
use crate::site::Site;

/// Somebody who has logged in on the page.
struct Browser<'a> {
    site: &'a Site,
    cookie: String,
    agent: ureq::Agent,
}

impl<'a> Browser<'a> {
    fn nobody(site: &'a Site) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .build()
            .new_agent();
        Browser {
            site,
            cookie: String::new(),
            agent,
        }
    }

    fn new(site: &'a Site, user: &str) -> Self {
        let mut browser = Browser::nobody(site);
        let answer = browser.post("/login", &[("username", user), ("password", user)]);
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookies = answer.headers.get_all("set-cookie").iter();
        let cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
        browser.cookie = cookies.collect::<Vec<_>>().join("; ");
        browser
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site.server().base)
    }

    fn get(&self, path: &str) -> Answer {
        let request = self
            .agent
            .get(self.url(path))
            .header("Cookie", &self.cookie);
        read(request.call().unwrap())
    }

    /// A view that is there.
    fn view(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text().to_owned()
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self
            .agent
            .post(self.url(path))
            .header("Cookie", &self.cookie);
        read(request.send_form(form.iter().copied()).unwrap())
    }

    /// A form that is done as it asks: where it leads, and what is said there.
    fn done(&self, path: &str, form: &[(&str, &str)]) -> (String, String) {
        let answer = self.post(path, form);
        assert_eq!(answer.status, 303, "{}", answer.text());
        let to = answer.header("location").to_owned();
        let notice = answer.header("set-cookie").split(';').next().unwrap();
        let request = self.agent.get(self.url(&to));
        let cookies = format!("{}; {notice}", self.cookie);
        let answer = read(request.header("Cookie", cookies).call().unwrap());
        assert_eq!(answer.status, 200, "{to}");
        // It is said once.
        let cleared = answer.header("set-cookie");
        assert!(cleared.starts_with("sluice_notice=;") && cleared.contains("Max-Age=0"));
        (to, answer.text().to_owned())
    }
}

fn labels(label: &str) -> [(&str, &str); 2] {
    [("SUBJECT_ID", "S1"), ("EXPT_LABEL", label)]
}

fn import(site: &Site, project: &str, number: u32, label: &str, slices: u32) -> String {
    let folder = format!("{project}/{label}-{number}-{slices}");
    dicom::study(&site.inbox(&folder), number, 1, slices);
    let done = site.import(project, &folder, &labels(label));
    done.session()["uri"].as_str().unwrap().to_owned()
}

/// The view of a waiting session.
fn view_of(uri: &str) -> String {
    uri.replace("/prearchive/projects", "/prearchive")
}

fn statuses(site: &Site) -> Vec<Value> {
    let rows = site.get("root", "/xapi/prearchive").json();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| json!([row["label"], row["status"]]))
        .collect()
}

#[test]
fn the_list_shows_what_one_may_edit_and_is_filtered() {
    let site = Site::new();
    import(&site, "P", 1, "E1", 2);
    let second = import(&site, "P", 2, "E2", 1);
    let ada = Browser::new(&site, "ada");
    let all = ada.view("/prearchive");
    assert!(all.contains("S1 / E1") && all.contains("S1 / E2"), "{all}");
    assert!(all.contains(&format!("href=\"{}\"", view_of(&second))));
    let one = ada.view("/prearchive?q=e2&status=READY&project=P");
    assert!(one.contains("S1 / E2") && !one.contains("S1 / E1"), "{one}");
    let none = ada.view("/prearchive?status=QUARANTINED");
    assert!(none.contains("No session that waits is like that."));
    let eve = Browser::new(&site, "eve");
    assert!(eve.view("/prearchive").contains("No session waits."));
    assert_eq!(eve.get(&view_of(&second)).status, 404);
    let away = Browser::nobody(&site).get("/prearchive?q=e2");
    assert_eq!(
        (away.status, away.header("location")),
        (303, "/login?to=%2Fprearchive%3Fq%3De2")
    );
}

#[test]
fn a_session_is_shown_with_its_series_and_looked_into() {
    let site = Site::new();
    let uri = import(&site, "P", 1, "E1", 3);
    let here = view_of(&uri);
    let ada = Browser::new(&site, "ada");
    let view = ada.view(&here);
    for part in [
        "Scan 1", "3 files", "import 1", "READY", "Archive", "Relabel",
    ] {
        assert!(view.contains(part), "{part}: {view}");
    }
    let thumbnail = format!("{here}/thumbnail?scan=1");
    assert!(view.contains(&format!("src=\"{thumbnail}\"")));
    assert_eq!(ada.get(&thumbnail).kind, "image/png");
    let header = ada.view(&format!("{here}/header?scan=1"));
    assert!(header.contains("SOPInstanceUID") && header.contains("File 1 of 3"));
    let found = ada.view(&format!("{here}/header?scan=1&q=instancenumber"));
    assert!(found.contains("InstanceNumber") && !found.contains("SOPInstanceUID"));
    assert!(
        header.contains("(0008,1140)[0]") || header.contains("[0]"),
        "nested items"
    );
    assert_eq!(
        site.audit("session/1")
            .iter()
            .filter(|(_, a)| a == "session.header")
            .count(),
        2
    );
    assert_eq!(
        ada.get(&format!("{here}/header?scan=1&file=none")).status,
        404
    );

    // What can't be shown says so, in a picture.
    let folder = uri.replace("/prearchive/projects", "prearchive");
    for file in site.instances(&folder) {
        fs::write(site.path(&folder).join(file), "no DICOM at all").unwrap();
    }
    let answer = ada.get(&thumbnail);
    assert_eq!(
        (answer.status, answer.kind.as_str()),
        (200, "image/svg+xml")
    );
    assert!(answer.text().contains("can't be"), "{}", answer.text());
}

#[test]
fn a_session_is_relabelled_moved_and_archived() {
    let site = Site::new();
    site.command(&["project", "grant", "OTHER", "ada", "member"], "");
    let uri = import(&site, "P", 1, "E1", 2);
    let ada = Browser::new(&site, "ada");
    let form = [("action", "relabel"), ("subject", "S2"), ("session", "E7")];
    let (here, view) = ada.done(&view_of(&uri), &form);
    assert!(here.ends_with("/E7") && view.contains("S2 / E7"), "{here}");
    assert!(view.contains("The session has its new labels."));
    let (here, view) = ada.done(&here, &[("action", "move"), ("project", "OTHER")]);
    assert!(here.starts_with("/prearchive/OTHER/"), "{here}");
    assert!(view.contains("The session is moved."));
    let (same, _) = ada.done(&here, &[("action", "rebuild")]);
    assert_eq!(same, here);
    let (there, view) = ada.done(&here, &[("action", "archive"), ("overwrite", "")]);
    assert_eq!(there, "/archive/OTHER/S2/E7");
    assert!(
        view.contains("ARCHIVED") && !view.contains("<form class=\"stacked\""),
        "only to look at"
    );
    assert_eq!(
        ada.get(&format!("{there}/thumbnail?scan=1")).kind,
        "image/png"
    );
    assert!(
        ada.view(&format!("{there}/header?scan=1"))
            .contains("SOPInstanceUID")
    );
    assert_eq!(site.instances("archive/OTHER/arc001/E7").len(), 2);
}

#[test]
fn what_rest_refuses_is_said_in_place_and_what_was_given_stays() {
    let site = Site::new();
    let uri = import(&site, "P", 1, "E1", 1);
    let here = view_of(&uri);
    let ada = Browser::new(&site, "ada");
    let refused = ada.post(
        &here,
        &[("action", "relabel"), ("subject", "S1"), ("session", "a/b")],
    );
    assert_eq!(refused.status, 400);
    let text = refused.text();
    assert!(
        text.contains("role=\"alert\"") && text.contains("value=\"a/b\""),
        "{text}"
    );
    let refused = ada.post(&here, &[("action", "move"), ("project", "OTHER")]);
    assert_eq!(refused.status, 404);
    // Deleting asks whether one is sure.
    let refused = ada.post(&here, &[("action", "delete")]);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("tick that it is to be deleted"));
    assert_eq!(statuses(&site), [json!(["E1", "READY"])]);
    let (to, view) = ada.done(&here, &[("action", "delete"), ("sure", "yes")]);
    assert!(to == "/prearchive" && view.contains("The session is deleted."));
    assert_eq!(statuses(&site), Vec::<Value>::new());
}

#[test]
fn quarantine_is_an_owners_to_look_into_and_release() {
    let site = Site::new();
    site.policy("P", &json!({ "leak_check": "quarantine" }));
    let here = view_of(&import(&site, "P", 1, "E1", 2));
    let ada = Browser::new(&site, "ada");
    let view = ada.view(&here);
    assert!(
        view.contains("QUARANTINED") && view.contains("(0010,1000)"),
        "{view}"
    );
    assert!(view.contains("for the project's owners"));
    assert!(!view.contains("/thumbnail"));
    assert_eq!(ada.get(&format!("{here}/thumbnail?scan=1")).status, 403);
    assert_eq!(ada.get(&format!("{here}/header?scan=1")).status, 403);
    let release = [("action", "release"), ("reason", "only a scale bar")];
    let refused = ada.post(&here, &release);
    assert_eq!(refused.status, 403);
    assert!(
        refused.text().contains("Only an owner") && refused.text().contains("only a scale bar")
    );
    let otto = Browser::new(&site, "otto");
    assert_eq!(otto.get(&format!("{here}/thumbnail?scan=1")).status, 200);
    let (_, view) = otto.done(&here, &release);
    assert!(view.contains("The session is released.") && view.contains("only a scale bar"));
    assert_eq!(statuses(&site), [json!(["E1", "READY"])]);
}

#[test]
fn a_conflict_is_shown_beside_what_it_is_with_down_to_the_element() {
    let site = Site::new();
    let first = import(&site, "P", 1, "E1", 2);
    let ada = Browser::new(&site, "ada");
    let folder = site.inbox("P/again");
    dicom::study(&folder, 1, 1, 2);
    dicom::edit(
        &folder.join("1-2.dcm"),
        &[(tags::SERIES_DESCRIPTION, VR::LO, "Another word")],
    );
    let done = site.import("P", "P/again", &labels("E2"));
    let there = view_of(done.session()["uri"].as_str().unwrap());
    ada.done(&view_of(&first), &[("action", "archive")]);
    let relabel = [("action", "relabel"), ("subject", "S1"), ("session", "E1")];
    let (here, _) = ada.done(&there, &relabel);
    let view = ada.view(&format!("{here}?check=1"));
    for part in [
        "In the way of archiving",
        "instance",
        "differs",
        "/archive/P/S1/E1",
        "/compare?",
    ] {
        assert!(view.contains(part), "{part}: {view}");
    }
    let start = format!("href=\"{here}/compare?");
    let links = view.split(&start).skip(1);
    let mut links = links.map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
    let second = links.find(|link| link.contains("-1-2-")).unwrap();
    let compared = ada.view(&format!("{here}/compare?{second}"));
    for part in ["SeriesDescription", "Another word", "PatientID"] {
        assert!(compared.contains(part), "{part}: {compared}");
    }
    assert!(!compared.contains("StudyID"), "only what differs");
    let refused = ada.post(&here, &[("action", "archive"), ("overwrite", "append")]);
    assert_eq!(refused.status, 409, "{}", refused.text());
    let (there, _) = ada.done(&here, &[("action", "archive"), ("overwrite", "delete")]);
    assert_eq!(there, "/archive/P/S1/E1");
}

#[test]
fn many_are_acted_on_at_once_and_each_refusal_is_told() {
    let site = Site::new();
    let first = import(&site, "P", 1, "E1", 1);
    let second = import(&site, "P", 2, "E2", 1);
    let third = import(&site, "P", 3, "E2", 1);
    let ada = Browser::new(&site, "ada");
    let conflicted = [
        ("src", third.as_str()),
        ("src", first.as_str()),
        ("action", "archive"),
    ];
    let answer = ada.post("/prearchive", &conflicted);
    assert_eq!(answer.status, 409);
    let text = answer.text();
    assert!(
        text.contains("1 session archived.") && text.contains("Refused for 1 session"),
        "{text}"
    );
    assert!(
        text.contains(&format!("value=\"{third}\" checked")),
        "{text}"
    );
    assert_eq!(site.instances("archive/P/arc001/E1").len(), 1);
    for (form, why) in [
        (vec![("action", "rebuild")], "No session is ticked."),
        (
            vec![("src", second.as_str()), ("action", "delete")],
            "Nothing is deleted",
        ),
    ] {
        let answer = ada.post("/prearchive", &form);
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(why), "{}", answer.text());
    }
    let form = [
        ("src", second.as_str()),
        ("src", third.as_str()),
        ("action", "delete"),
        ("sure", "yes"),
    ];
    let (to, view) = ada.done("/prearchive?q=E2", &form);
    assert_eq!(to, "/prearchive?q=E2");
    assert!(view.contains("2 sessions deleted."), "{view}");
    assert_eq!(statuses(&site), Vec::<Value>::new());
}
