//! A data folder with users and projects, a server over it, and the calls that a client makes.
//!
//! Project P keeps its sessions in the prearchive, AUTO archives them, OTHER is nobody's but root's. root
//! is an administrator, ada a member and otto an owner of P and AUTO, bob a collaborator of P, eve has no
//! role. Everybody's password is their name.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::answer::{Answer, authorization, headed, read, try_read};
use crate::database;
use crate::done::Done;
use crate::server::{Server, run, wait_for};

pub struct Site {
    folder: tempfile::TempDir,
    server: Option<Server>,
    agent: ureq::Agent,
}

impl Site {
    /// A site whose server runs.
    pub fn new() -> Site {
        let mut site = Site::prepared();
        site.serve(&[]);
        site
    }

    /// A data folder without anything in it.
    pub fn empty() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(crate::server::DEADLINE))
            // A server that refuses a call need not take its body in, and closes the connection then.
            .max_idle_connections(0)
            .build()
            .new_agent();
        Site {
            folder,
            server: None,
            agent,
        }
    }

    /// A site with its users and projects, and no server yet.
    pub fn prepared() -> Site {
        Site::empty().populated()
    }

    /// The same on a folder whose database may have been chosen.
    pub fn populated(self) -> Site {
        let site = self;
        site.command(
            &["user", "add", "root", "--admin", "--password-stdin"],
            "root",
        );
        for user in ["ada", "otto", "bob", "eve"] {
            site.command(&["user", "add", user, "--password-stdin"], user);
        }
        site.command(&["project", "create", "P"], "");
        site.command(&["project", "create", "OTHER"], "");
        site.command(&["project", "create", "AUTO", "--prearchive-code", "4"], "");
        for (project, user, role) in [
            ("P", "ada", "member"),
            ("AUTO", "ada", "member"),
            ("P", "otto", "owner"),
            ("AUTO", "otto", "owner"),
            ("P", "bob", "collaborator"),
        ] {
            site.command(&["project", "grant", project, user, role], "");
        }
        site
    }

    /// A site of its own with all that this one holds, whose server is stopped.
    pub fn copied(&self) -> Site {
        let site = Site::empty();
        copy(self.data(), site.data());
        database::copy(self.data(), site.data());
        site
    }

    /// Runs `sluice` on the data folder.
    pub fn command(&self, arguments: &[&str], input: &str) -> String {
        run(self.folder.path(), arguments, input)
    }

    /// Starts the server, with variables in its environment.
    pub fn serve(&mut self, environment: &[(&str, &str)]) {
        assert!(self.server.is_none());
        self.server = Some(Server::start(self.folder.path(), environment));
    }

    /// Starts the server by a program that becomes it.
    pub fn serve_within(&mut self, wrapper: &[&str], environment: &[(&str, &str)]) {
        assert!(self.server.is_none());
        let data = self.folder.path();
        self.server = Some(Server::start_within(wrapper, data, environment));
    }

    /// Starts a server that may die at any moment.
    pub fn serve_doomed(&mut self, environment: &[(&str, &str)]) {
        assert!(self.server.is_none());
        self.server = Some(Server::start_doomed(self.folder.path(), environment));
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Whether the server has died of itself.
    #[cfg(feature = "failpoints")]
    pub fn is_dead(&mut self) -> bool {
        self.server.as_mut().unwrap().has_ended()
    }

    /// Asks the server to stop, wherever it is; how it ended, and all that it logged.
    pub fn end(&mut self) -> (std::process::ExitStatus, Vec<String>) {
        let mut server = self.server.take().unwrap();
        let status = server.terminate();
        (status, server.log())
    }

    /// Kills the server where it stands.
    pub fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    /// Stops the server, sees that it ended well, and returns all that it logged.
    pub fn stop(&mut self) -> Vec<String> {
        self.check_end_state();
        self.interrupt()
    }

    /// The same, whatever is under way.
    pub fn interrupt(&mut self) -> Vec<String> {
        let (status, log) = self.end();
        assert!(status.success(), "{status}: {log:#?}");
        // The database's own threads may have a word after it.
        assert!(
            log.iter().any(|line| line.contains("\"stopped\"")),
            "{log:#?}"
        );
        log
    }

    /// What holds whenever nothing is under way: every request has ended, every file found has one
    /// outcome, and nothing is left in staging.
    fn check_end_state(&self) {
        let active = self.get("root", "/xapi/dicom/list/active").json();
        assert_eq!(active, json!([]));
        for request in self
            .get("root", "/xapi/dicom/list/all")
            .json()
            .as_array()
            .unwrap()
        {
            let state = request["status"].as_str().unwrap();
            assert!(matches!(state, "Completed" | "Failed"), "{request:#}");
            assert!(request["finished"].is_i64(), "{request:#}");
            let report = self.report(request["id"].as_i64().unwrap());
            Done::new(request.clone(), report).check();
        }
        assert_eq!(self.files("staging"), Vec::<String>::new());
    }

    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// A place below the data folder.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// A project's folder of the inbox, or one in it; made if it is missing.
    pub fn inbox(&self, below: &str) -> PathBuf {
        let path = self.path("inbox").join(below);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// All files below a folder of the data folder, relative to it, sorted.
    pub fn files(&self, below: &str) -> Vec<String> {
        let mut files = Vec::new();
        let root = self.path(below);
        collect(&root, &root, &mut files);
        files.sort();
        files
    }

    /// The DICOM files among [`Site::files`].
    pub fn instances(&self, below: &str) -> Vec<String> {
        let mut files = self.files(below);
        files.retain(|file| !file.ends_with("_catalog.xml"));
        files
    }

    /// Writes a file of the rules folder.
    pub fn rules(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path("rules").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn policy(&self, project: &str, policy: &Value) {
        self.rules(
            &format!("projects/{project}/policy.json"),
            policy.to_string(),
        );
    }

    /// A module in Rhai with the manifest's declarations.
    pub fn rhai(&self, name: &str, kind: &str, reads: &[&str], writes: &[&str], code: &str) {
        let manifest = json!({
            "name": name, "version": "1.0.0", "interface": "1", "kind": kind,
            "engine": "rhai", "entry": "rule.rhai", "reads": reads, "writes": writes,
            "limits": { "operations": 10_000_000, "memory_mb": 16, "deadline_ms": 60_000 }
        });
        self.rules(&format!("modules/{name}/module.json"), manifest.to_string());
        self.rules(&format!("modules/{name}/rule.rhai"), code);
    }

    /// A module of the repository that does to every file what its settings say.
    pub fn unruly(&self) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modules/unruly");
        for file in ["module.json", "rule.wasm", "settings.schema.json"] {
            let content = fs::read(from.join(file)).unwrap();
            self.rules(&format!("modules/unruly/{file}"), content);
        }
    }

    /// Changes rows behind the program's back, for what would take days or a crash to come about.
    pub fn sql(&self, statements: &str) {
        for statement in statements.split(';') {
            crate::database::execute(self.folder.path(), statement);
        }
    }

    /// A call without a body. Nobody calls if `user` is empty.
    pub fn call(&self, user: &str, method: &str, path: &str, query: &[(&str, &str)]) -> Answer {
        self.try_call(user, method, path, query).unwrap()
    }

    /// The same to a server that may die meanwhile.
    pub fn try_call(
        &self,
        user: &str,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let url = format!("{}{path}", self.server().base);
        let pairs = query.iter().copied();
        let name_to_value = authorization(user);
        let answer = match method {
            "GET" => headed(self.agent.get(url).query_pairs(pairs), name_to_value).call(),
            "DELETE" => headed(self.agent.delete(url).query_pairs(pairs), name_to_value).call(),
            "PUT" => headed(self.agent.put(url).query_pairs(pairs), name_to_value).send_empty(),
            _ => headed(self.agent.post(url).query_pairs(pairs), name_to_value).send_empty(),
        };
        try_read(answer?)
    }

    /// A call with a body of JSON.
    pub fn send(&self, user: &str, method: &str, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.server().base);
        let request = match method {
            "PUT" => self.agent.put(url),
            _ => self.agent.post(url),
        };
        let request = headed(request, authorization(user));
        let request = request.header("Content-Type", "application/json");
        read(request.send(body.to_string()).unwrap())
    }

    /// A GET whose answer's body is still to be read, as it comes.
    pub fn open(
        &self,
        user: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> ureq::http::Response<ureq::Body> {
        let url = format!("{}{path}", self.server().base);
        let mut request = headed(self.agent.get(url), authorization(user));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.call().unwrap()
    }

    /// The same in a thread, for an answer that takes its time.
    pub fn open_later(&self, user: &str, path: &str) -> std::thread::JoinHandle<Answer> {
        let url = format!("{}{path}", self.server().base);
        let request = headed(self.agent.get(url), authorization(user));
        std::thread::spawn(move || read(request.call().unwrap()))
    }

    /// A DELETE with headers, by nobody.
    pub fn delete_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.delete(format!("{}{path}", self.server().base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.call().unwrap())
    }

    /// Enough files for the slow rule to keep all cores busy for some seconds, of which the first are
    /// done long before the last.
    pub fn slow_files() -> u32 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        10 * (cores as u32 + 2)
    }

    /// A rule that takes a while over each file, for a project.
    pub fn slow_rule(&self, project: &str) {
        let code = "fn anonymize(ds, ctx) { let n = 0; while n < 1000000 { n += 1; } keep() }";
        self.rhai("slow", "anonymize", &[], &[], code);
        self.policy(project, &json!({ "anonymize": [{ "module": "slow" }] }));
    }

    /// Waits until some files of a running import are staged.
    pub fn staged(&self) {
        wait_for("the first staged files", || {
            (self.instances("staging").len() > 2).then_some(())
        });
    }

    /// The audit's rows of an object: who did what.
    pub fn audit(&self, object: &str) -> Vec<(String, String)> {
        let url = database::url_of(self.data());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let trail = runtime.block_on(async {
            let store = sluice::store::Store::open(&url).await.unwrap();
            let trail = store.audit_trail(i64::MAX).await.unwrap();
            store.close().await;
            trail
        });
        let rows = trail.into_iter().rev().filter(|row| row.object == object);
        rows.map(|row| (row.username, row.action)).collect()
    }

    pub fn get(&self, user: &str, path: &str) -> Answer {
        self.call(user, "GET", path, &[])
    }

    /// A call with a form as its body.
    pub fn post_form(&self, user: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}{path}", self.server().base);
        let request = headed(self.agent.post(url), authorization(user));
        read(request.send_form(form.iter().copied()).unwrap())
    }

    /// A POST with bytes as its body.
    pub fn upload(
        &self,
        user: &str,
        path: &str,
        query: &[(&str, &str)],
        kind: &str,
        body: &[u8],
    ) -> Answer {
        self.try_upload(user, path, query, kind, body).unwrap()
    }

    pub fn try_upload(
        &self,
        user: &str,
        path: &str,
        query: &[(&str, &str)],
        kind: &str,
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let url = format!("{}{path}", self.server().base);
        let request = self.agent.post(url).query_pairs(query.iter().copied());
        let request = headed(request, authorization(user)).header("Content-Type", kind);
        try_read(request.send(body)?)
    }

    /// The same, whose answer is not followed to where it may lead.
    pub fn call_once(&self, user: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}{path}", self.server().base);
        let request = headed(self.agent.post(url), authorization(user));
        let request = request.config().max_redirects(0).build();
        read(request.send_form(form.iter().copied()).unwrap())
    }

    /// A PUT with JSON as its body.
    pub fn put_json(&self, user: &str, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.server().base);
        let request = headed(self.agent.put(url), authorization(user));
        let request = request.header("Content-Type", "application/json");
        read(request.send(body.to_string()).unwrap())
    }

    pub fn post_json(&self, user: &str, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.server().base);
        let request = headed(self.agent.post(url), authorization(user));
        let request = request.header("Content-Type", "application/json");
        read(request.send(body.to_string()).unwrap())
    }

    /// A PUT with a text as its body, called what curl calls it if nobody says otherwise.
    pub fn put_text(&self, user: &str, path: &str, body: &str) -> Answer {
        let url = format!("{}{path}", self.server().base);
        let request = headed(self.agent.put(url), authorization(user));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        read(request.send(body).unwrap())
    }

    /// The import call of a folder below the inbox, without waiting.
    pub fn call_import(
        &self,
        user: &str,
        project: &str,
        below: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        self.call_import_with(user, project, below, more, &[])
    }

    /// The same with headers.
    pub fn call_import_with(
        &self,
        user: &str,
        project: &str,
        below: &str,
        more: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = self.path("inbox").join(below);
        let mut query = vec![
            ("import-handler", "inbox"),
            ("PROJECT_ID", project),
            ("path", path.to_str().unwrap()),
        ];
        query.extend(more);
        let url = format!("{}/data/services/import", self.server().base);
        let mut request = headed(self.agent.post(url).query_pairs(query), authorization(user));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send_empty().unwrap())
    }

    /// Queues an import as ada, and returns the address of its status.
    pub fn queue(&self, project: &str, below: &str, more: &[(&str, &str)]) -> String {
        let answer = self.call_import("ada", project, below, more);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().trim_end().to_owned()
    }

    /// Imports a folder below the inbox as ada, to its end.
    pub fn import(&self, project: &str, below: &str, more: &[(&str, &str)]) -> Done {
        self.ended(&self.queue(project, below, more))
    }

    /// Waits for an import's end.
    pub fn ended(&self, address: &str) -> Done {
        let status = wait_for("the end of an import", || {
            let status = self.get("root", address).json();
            matches!(status["status"].as_str(), Some("Completed" | "Failed")).then_some(status)
        });
        let report = self.report(status["id"].as_i64().unwrap());
        let done = Done::new(status, report);
        done.check();
        done
    }

    fn report(&self, id: i64) -> Option<Value> {
        let answer = self.get("root", &format!("/xapi/dicom/{id}/report"));
        (answer.status == 200).then(|| answer.json())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.server.is_some() && !std::thread::panicking() {
            self.stop();
        }
        if !std::thread::panicking() {
            // A server that still runs would lose its database.
            self.server = None;
            database::forget(self.data());
        }
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, files);
        } else {
            let below = path.strip_prefix(root).unwrap();
            files.push(below.to_string_lossy().into_owned());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}
