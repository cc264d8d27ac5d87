//! The page as a browser without scripts meets it: a login by its form, a cookie, links and forms.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::answer::{Answer, read};
use crate::site::Site;

pub struct Browser<'a> {
    site: &'a Site,
    agent: ureq::Agent,
    user: &'a str,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    /// Logs in by the page's form; everybody's password is their name.
    pub fn log_in(site: &'a Site, user: &'a str) -> Browser<'a> {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(crate::server::DEADLINE))
            .max_redirects(0)
            .max_idle_connections(0)
            .build()
            .new_agent();
        let browser = Browser {
            site,
            agent,
            user,
            cookies: RefCell::default(),
        };
        let form = [("username", user), ("password", user), ("to", "/rules")];
        let page = browser.post("/login", &form);
        assert_eq!(page.status, 200, "{}", page.text());
        let who = format!("<span class=\"who\">{user}");
        assert!(page.text().contains(&who), "{}", page.text());
        browser
    }

    pub fn get(&self, path: &str) -> Answer {
        let request = self.agent.get(self.url(path));
        self.followed(request.header("Cookie", self.cookie()).call())
    }

    /// A view that is there.
    pub fn view(&self, path: &str) -> String {
        let page = self.get(path);
        assert_eq!(page.status, 200, "{} at {path}: {}", self.user, page.text());
        page.text().to_owned()
    }

    /// Sends a form, and follows to where the answer leads.
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.posting(path);
        self.followed(request.send_form(form.iter().copied()))
    }

    /// The same with a file.
    pub fn post_file(&self, path: &str, fields: &[(&str, &str)], file: &[u8]) -> Answer {
        let (kind, body) = multipart(fields, file);
        let request = self.posting(path).header("Content-Type", &kind);
        self.followed(request.send(&body))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site.server().base)
    }

    /// As browsers do, it says from which site the form is.
    fn posting(&self, path: &str) -> ureq::RequestBuilder<ureq::typestate::WithBody> {
        let request = self.agent.post(self.url(path));
        let request = request.header("Origin", &self.site.server().base);
        request.header("Cookie", self.cookie())
    }

    fn cookie(&self) -> String {
        let cookies = self.cookies.borrow();
        let pairs = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn followed(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
        let answer = read(answer.unwrap());
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.borrow_mut();
            match value {
                "" => drop(cookies.remove(name)),
                value => drop(cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        match answer.status {
            303 => self.get(answer.header("location")),
            _ => answer,
        }
    }
}

/// A form with a file as its last field: its type, and its bytes.
pub fn multipart(fields: &[(&str, &str)], file: &[u8]) -> (String, Vec<u8>) {
    let mut head = String::new();
    let disposition = "Content-Disposition: form-data";
    for (name, value) in fields {
        write!(
            head,
            "--X-X\r\n{disposition}; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
        .unwrap();
    }
    write!(
        head,
        "--X-X\r\n{disposition}; name=\"file\"; filename=\"some.dcm\"\r\n\r\n"
    )
    .unwrap();
    let body = [head.as_bytes(), file, b"\r\n--X-X--\r\n"].concat();
    ("multipart/form-data; boundary=X-X".to_owned(), body)
}

/// The value of the first input of that name in a page.
pub fn value(page: &str, name: &str) -> String {
    let input = page.split("<input").find(|input| {
        let input = input.split('>').next().unwrap();
        input.contains(&format!("name=\"{name}\""))
    });
    let input = input.unwrap_or_else(|| panic!("no input {name} in {page}"));
    let value = input.split("value=\"").nth(1).unwrap();
    unescaped(value.split('"').next().unwrap())
}

/// A text as it stood before it was put into a page.
pub fn unescaped(text: &str) -> String {
    let entities = [
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    entities
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
