//! The demo: two projects, a sample inbox, and imports whose outcome is explained file by file.
//!
//! Everything here goes over the REST surface, as a user's script would; starting and stopping the server, and
//! the command line, are in `cli/demo.rs`. Nothing here deletes anything.

mod folder;
mod inbox;
mod show;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use folder::{DemoFolder, FolderError};

use crate::client::{Client, ClientError, Import, ImportReport, ImportStatus};
use crate::dicom::ReadError;
use inbox::{Round, SampleImport};

/// The project whose sessions wait in the prearchive (XNAT's code 0).
pub const REVIEW: &str = "Demo_Review";
/// The project that archives by itself (XNAT's code 4).
pub const AUTO: &str = "Demo_Auto";

/// An import of a few dozen small files takes a second or two; this much means something hangs.
const IMPORT_DEADLINE: Duration = Duration::from_secs(120);

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the sample inbox can't be written")]
    Inbox(#[source] io::Error),
    #[error("{}: {}", .0.display(), .1)]
    Open(PathBuf, #[source] io::Error),
    #[error("{}: {}", .0.display(), .1)]
    Read(PathBuf, #[source] ReadError),
}

/// Makes the projects where they are missing.
///
/// Their policies are written before the server starts, see [`DemoFolder`].
pub fn make_projects(client: &Client) -> Result<(), DemoError> {
    for project in [REVIEW, AUTO] {
        let path = format!("/data/projects/{project}");
        match client.get(&path) {
            Ok(_) => {}
            Err(ClientError::Refused { status: 404, .. }) => {
                client.put(&path, &[])?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes a new round of sample data, imports it, and tells on standard output what became of it.
///
/// Returns the address of a session that was left in the prearchive.
pub fn import_and_tell(client: &Client, folder: &DemoFolder) -> Result<Option<String>, DemoError> {
    let round = Round::write(folder).map_err(DemoError::Inbox)?;
    let mut waiting = None;
    for sample in &round.imports {
        let (text, status) = import_one(client, folder, sample)?;
        println!("{text}");
        let mut sessions = status.sessions.into_iter();
        waiting = waiting.or(sessions
            .find(|session| session.status == "READY")
            .map(|s| s.uri));
    }
    Ok(waiting)
}

fn import_one(
    client: &Client,
    folder: &DemoFolder,
    sample: &SampleImport,
) -> Result<(String, ImportStatus), DemoError> {
    let path = sample.path.to_string_lossy();
    let import = Import {
        project: sample.project,
        path: &path,
        subject: Some(&sample.subject),
        session: Some(&sample.session),
        cleanup: false,
    };
    let address = client.import(&import)?;
    let status = client.wait(&address, IMPORT_DEADLINE)?;
    let report = client.report(&address)?;

    let mut text = String::new();
    show::heading(&mut text, &format!("{}: {}", sample.project, sample.about));
    let _ = writeln!(text, "  folder    {path}");
    let _ = writeln!(text, "  request   {address}: {}", status.status);
    if let Some(resolution) = status
        .resolution
        .as_ref()
        .filter(|answer| !answer.is_empty())
    {
        let _ = writeln!(text, "  answer    {resolution}");
    }
    show::files(&mut text, &report);
    show::sessions(&mut text, &status, &report, folder.path());
    if let Some((before, after)) = first_stored(sample, &status, &report, folder.path()) {
        show::before_and_after(&mut text, &before, &after)?;
    }
    Ok((text, status))
}

/// One stored file's source, and the file it became.
fn first_stored(
    sample: &SampleImport,
    status: &ImportStatus,
    report: &ImportReport,
    data: &Path,
) -> Option<(PathBuf, PathBuf)> {
    let session = status.sessions.first()?.folder()?;
    let file = report.files.iter().find(|file| file.stored.is_some())?;
    let after = data.join(session).join(file.stored.as_ref()?);
    Some((sample.path.join(&file.path), after))
}

/// What to try next, with commands to copy.
///
/// `waiting` is the address of a session in the prearchive.
pub fn next_steps(
    base: &str,
    user: &str,
    password: &str,
    data: &Path,
    waiting: Option<&str>,
) -> String {
    let inbox = data.join("inbox").join(REVIEW);
    let rules = data.join("rules");
    let mut text = String::new();
    show::heading(&mut text, "The server is up");
    let _ = write!(
        text,
        "  address   {base} (a page, in a browser)\n  user      {user}\n  password  {password}\n  data      {data}\n\n\
         Try next, from another terminal:\n\n\
         # what waits in the prearchive\n\
         curl -u '{user}:{password}' '{base}/data/prearchive/projects/{REVIEW}?format=json'\n\n\
         # move one of its sessions to the archive\n\
         curl -u '{user}:{password}' -X POST '{base}/data/services/archive' -d 'src={src}'\n\n\
         # import a folder of your own: put it below {inbox}/mine\n\
         curl -u '{user}:{password}' -X POST '{base}/data/services/import?import-handler=inbox\
         &cleanupAfterImport=false&PROJECT_ID={REVIEW}&SUBJECT_ID=me&EXPT_LABEL=me_1&path={inbox}/mine'\n\n\
         # all requests, and what became of each file of the first\n\
         curl -u '{user}:{password}' '{base}/xapi/dicom/list/all'\n\
         curl -u '{user}:{password}' '{base}/xapi/dicom/1/report'\n\n\
         The projects' rules are in {rules}. Ctrl-C stops the server.\n",
        src = waiting.unwrap_or("(a url of the list above)"),
        data = data.display(),
        inbox = inbox.display(),
        rules = rules.display(),
    );
    text
}
