//! Who may call what: every endpoint, by everybody, in one table.
//!
//! The calls are such that what is allowed changes nothing that a later row needs: what is set is set to what it
//! was, and what would go is not there.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::archives;
use crate::dicom;
use crate::site::Site;

/// Nobody; of project P a collaborator, a member and an owner; an owner of another project; an administrator.
const CALLERS: [&str; 6] = ["", "bob", "ada", "otto", "eve", "root"];

/// Method and address, with the body of a form or JSON (`{…`), and what each caller is answered.
type Row = (&'static str, &'static str, &'static str, [u16; 6]);

/// `WAITING` stands for a session of P in the prearchive, `HELD` for one in quarantine, `ARCHIVED` for the
/// experiment of one; `PATH` for a folder of P's inbox. The body `@` is that of an upload: a study of no project.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Of everybody.
    ("GET", "/healthz", "", [200; 6]),
    ("GET", "/readyz", "", [200; 6]),
    ("GET", "/data/version", "", [404; 6]),
    ("GET", "/xapi/openapi.json", "", [200; 6]),
    ("GET", "/xapi/docs", "", [200; 6]),
    // Of whoever has an account.
    ("GET", "/data/JSESSION", "", [401, 200, 200, 200, 200, 200]),
    ("POST", "/data/JSESSION", "", [401, 200, 200, 200, 200, 200]),
    ("DELETE", "/data/JSESSION", "", [200; 6]),
    ("PUT", "/data/services/auth", "username=ada&password=x&provider=other", [400; 6]),
    ("POST", "/data/services/auth", "username=ada&password=x&provider=other", [400; 6]),
    ("GET", "/data/auth", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/siteConfig/buildInfo", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/siteConfig/uptime", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/schemas", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/schemas/xnat", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/data/search/elements", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/data/search/elements/xnat:mrSessionData", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/overview", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/metrics", "", [401, 403, 403, 403, 403, 200]),
    // Imports: the destination and the source's project have to be the caller's to edit; a request is its user's.
    ("POST", "/data/services/import", "import-handler=inbox&PROJECT_ID=P&path=PATH-none", [401, 400, 400, 400, 400, 400]),
    ("POST", "/data/services/import", "import-handler=inbox&PROJECT_ID=P&EXPT_LABEL=E2&path=PATH", [401, 400, 409, 409, 400, 409]),
    ("POST", "/data/services/import?project=P&session=E2", "@", [401, 400, 409, 409, 400, 409]),
    ("POST", "/data/services/import?dest=/archive/projects/P/subjects/S1/experiments/E2", "@", [401, 400, 409, 409, 400, 409]),
    ("POST", "/data/services/import?import-handler=gradual-DICOM&PROJECT_ID=NONE", "@", [401, 400, 400, 400, 400, 400]),
    ("POST", "/data/services/import?project=Unassigned&session=a/b", "@", [401, 400, 400, 400, 400, 400]),
    ("POST", "/data/services/import?session=E9", "@", [401, 200, 200, 200, 200, 200]),
    ("GET", "/data/prearchive/projects/Unassigned", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/data/projects/Unassigned", "", [401, 404, 404, 404, 404, 200]),
    ("GET", "/xapi/dicom/1", "", [401, 404, 200, 404, 404, 200]),
    ("GET", "/xapi/dicom/1?wait=1", "", [401, 404, 200, 404, 404, 200]),
    ("GET", "/xapi/dicom/1/report", "", [401, 404, 200, 404, 404, 200]),
    ("GET", "/xapi/dicom/1/events", "", [401, 404, 200, 404, 404, 200]),
    ("GET", "/xapi/dicom/list/all", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/dicom/list/active", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/dicom/list/events", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/inbox/projects/P", "", [401, 403, 200, 200, 404, 200]),
    ("POST", "/xapi/dicom/1/cancel", "", [401, 404, 409, 404, 404, 409]),
    ("DELETE", "/xapi/dicom/1", "", [401, 404, 409, 404, 404, 409]),
    ("POST", "/xapi/dicom/1/verify", "", [401, 404, 200, 404, 404, 200]),
    ("POST", "/xapi/dicom/2/retry", "", [401, 404, 409, 404, 404, 409]),
    // What waits: of who may edit; only owners release. Lists hold what the caller may see.
    ("GET", "/data/prearchive", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/data/prearchive/projects", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/data/prearchive/projects/P", "", [401, 403, 200, 200, 403, 200]),
    ("GET", "/dataWAITING", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/scans", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/scans/1/resources", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/scans/1/resources/DICOM/files", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/scans/1/files", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/scans/1/resources/DICOM/files/none.dcm", "", [401, 403, 404, 404, 404, 404]),
    ("GET", "/dataWAITING?format=zip", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/scans/ALL/files?format=zip", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/conflicts", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/review", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataHELD", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataHELD/scans", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataHELD/scans/1/resources/DICOM/files", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataHELD?format=zip", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/dataHELD/scans/ALL/files?format=zip", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/dataHELD/review", "", [401, 403, 200, 200, 404, 200]),
    ("PUT", "/dataWAITING", "label=E1", [401, 403, 200, 200, 404, 200]),
    ("PUT", "/dataHELD", "label=a/b", [401, 403, 403, 400, 404, 400]),
    ("POST", "/data/services/archive", "src=WAITING&overwrite=none&session=E2", [401, 403, 409, 409, 404, 409]),
    ("POST", "/data/services/prearchive/release", "src=WAITING", [401, 403, 403, 409, 404, 409]),
    ("POST", "/data/services/prearchive/purge", "src=/prearchive/projects/P/20200101_000000000/none", [401, 403, 404, 404, 404, 404]),
    ("POST", "/data/services/prearchive/delete", "src=/prearchive/projects/P/20200101_000000000/none", [401, 403, 404, 404, 404, 404]),
    ("DELETE", "/data/prearchive/projects/P/20200101_000000000/none", "", [401, 403, 404, 404, 404, 404]),
    ("POST", "/data/services/prearchive/move", "src=WAITING&newProject=P", [401, 403, 409, 409, 404, 409]),
    ("POST", "/data/services/prearchive/move", "src=WAITING&newProject=OTHER&session=a/b", [401, 403, 404, 404, 404, 400]),
    ("POST", "/data/services/prearchive/move", "src=HELD&newProject=AUTO", [401, 403, 409, 409, 404, 409]),
    ("POST", "/data/services/prearchive/rebuild", "src=WAITING", [401, 403, 200, 200, 404, 200]),
    ("POST", "/data/services/prearchive/rebuild", "src=HELD", [401, 403, 409, 409, 404, 409]),
    ("POST", "/dataWAITING", "action=build", [401, 403, 200, 200, 404, 200]),
    ("PUT", "/dataWAITING", "action=build", [401, 403, 200, 200, 404, 200]),
    ("POST", "/dataWAITING", "action=commit", [401, 403, 200, 200, 404, 200]),
    ("POST", "/dataWAITING", "action=move&newProject=OTHER&session=a/b", [401, 403, 404, 404, 404, 400]),
    ("POST", "/dataWAITING", "action=reset-status", [401, 403, 200, 200, 404, 200]),
    ("POST", "/dataHELD", "action=set-status&status=READY", [401, 403, 409, 409, 404, 409]),
    ("GET", "/dataWAITING/scans/1", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/resources", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataHELD/scans/1?format=zip", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/dataHELD/resources/DICOM/files?format=zip", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/data/prearchive/projects/Unassigned", "", [401, 403, 403, 403, 403, 200]),
    ("POST", "/data/services/archive", "src=WAITING&project=OTHER&session=a/b", [401, 403, 400, 400, 404, 400]),
    ("GET", "/xapi/prearchive", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/dataWAITING/summary", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataHELD/summary", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataWAITING/scans/1/thumbnail", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/dataHELD/scans/1/thumbnail", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/data/services/dicomdump?src=WAITING", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/data/services/dicomdump?src=/dataHELD/scans/1", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/data/services/dicomdump?src=/data/users", "", [401, 400, 400, 400, 400, 400]),
    // What is archived, and projects.
    ("GET", "/data/projects", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/data/projects/P", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/prearchive_code", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/current_arc", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/users", "", [401, 403, 200, 200, 404, 200]),
    ("GET", "/data/subjects", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/data/projects/P/subjects", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/subjects/S1", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/experiments", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/data/projects/P/experiments", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/subjects/S1/experiments/E2", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/subjects/S1/experiments/E2/scans", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2/scans/1", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2/scans/1/resources", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2/scans/1/files", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2/scans/1/resources/DICOM/files", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2/scans/1/resources/DICOM/files/none.dcm", "", [401, 404, 404, 404, 404, 404]),
    ("GET", "/data/projects/P/experiments/E2/files", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2/scans/ALL/files?format=zip", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2/resources", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2?format=xml", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2/summary", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/projects/P/experiments/E2/scans/1/thumbnail", "", [401, 200, 200, 200, 404, 200]),
    ("GET", "/data/services/dicomdump?src=/archive/projects/P/experiments/E2/scans/1", "", [401, 200, 200, 200, 404, 200]),
    ("PUT", "/data/projects/P/experiments/E2", "label=E2", [401, 403, 200, 200, 404, 200]),
    ("DELETE", "/data/projects/P/experiments/NONE?removeFiles=true", "", [401, 404, 404, 404, 404, 404]),
    ("GET", "/data/archive/projects/P/experiments/E2", "", [401, 200, 200, 200, 404, 200]),
    ("PUT", "/data/projects/P/prearchive_code/0", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/data/projects/P/quarantine_code", "", [401, 200, 200, 200, 404, 200]),
    ("PUT", "/data/projects/P/quarantine_code/0", "", [401, 403, 403, 200, 404, 200]),
    ("PUT", "/data/projects/P/users/member/ada", "", [401, 403, 403, 200, 404, 200]),
    ("DELETE", "/data/projects/P/users/member/bob", "", [401, 403, 403, 404, 404, 404]),
    ("PUT", "/data/projects/P", "", [401, 403, 403, 200, 404, 200]),
    ("PUT", "/data/projects/NEW", "", [401, 403, 403, 403, 403, 201]),
    ("PUT", "/data/projects/unassigned", "", [401, 403, 403, 403, 403, 409]),
    ("PUT", "/data/projects/Unassigned/users/owner/ada", "", [401, 404, 404, 404, 404, 409]),
    ("DELETE", "/data/projects/P", "", [401, 403, 403, 403, 404, 409]),
    // Accounts.
    ("GET", "/data/users", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/xapi/users", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/xapi/users/profiles", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/xapi/users/profile/ada", "", [401, 403, 200, 403, 403, 200]),
    ("GET", "/xapi/users/ada", "", [401, 403, 200, 403, 403, 200]),
    ("POST", "/xapi/users", r#"{"username":"ada","password":"x"}"#, [401, 403, 403, 403, 403, 409]),
    ("PUT", "/xapi/users/ada", r#"{"email":"ada@example.org"}"#, [401, 403, 200, 403, 403, 200]),
    // Rules: of the project's owners, the site's of administrators.
    ("GET", "/xapi/rules/status", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/rules/modules", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/rules/versions?project=P", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/xapi/rules/versions/none", "", [401, 404, 404, 404, 404, 404]),
    ("GET", "/xapi/rules/diff?from=a&to=b", "", [401, 404, 404, 404, 404, 404]),
    ("GET", "/xapi/rules/shadow?project=P", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/xapi/rules/site/policy", "", [401, 403, 403, 403, 403, 404]),
    ("GET", "/xapi/rules/projects/P/policy", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/xapi/rules/explain?PROJECT_ID=P&path=PATH", "", [401, 400, 200, 200, 400, 200]),
    ("POST", "/xapi/rules/rollback", "project=P&ruleSet=none&reason=x", [401, 403, 403, 404, 404, 404]),
    ("POST", "/xapi/rules/reload", "", [401, 403, 403, 403, 403, 200]),
    ("PUT", "/xapi/rules/site/policy", "{}", [401, 403, 403, 403, 403, 200]),
    ("GET", "/xapi/rules/modules/xnat-default", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/rules/modules/none", "", [401, 404, 404, 404, 404, 404]),
    ("GET", "/xapi/rules/modules/xnat-default/files/rule.rhai", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/rules/modules/none/files/rule.rhai", "", [401, 403, 403, 403, 403, 404]),
    ("PUT", "/xapi/rules/modules/xnat-default/files/rule.rhai", "", [401, 403, 403, 403, 403, 409]),
    ("PUT", "/xapi/rules/modules/none/files/rule.rhai", "", [401, 403, 403, 403, 403, 404]),
    ("POST", "/xapi/rules/modules/xnat-default/test", "", [401, 403, 403, 403, 403, 409]),
    ("GET", "/xapi/rules/site/chain", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/xapi/rules/projects/P/chain", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/xapi/rules/site/files/none.das", "", [401, 403, 403, 403, 403, 404]),
    ("PUT", "/xapi/rules/site/files/policy.json", "", [401, 403, 403, 403, 403, 400]),
    ("GET", "/xapi/rules/projects/P/files/none.das", "", [401, 403, 403, 404, 404, 404]),
    ("PUT", "/xapi/rules/projects/P/files/policy.json", "", [401, 403, 403, 400, 404, 400]),
    ("POST", "/xapi/rules/check", r#"{"changes":{"projects/P/policy.json":"{}"}}"#, [401, 403, 403, 200, 404, 200]),
    ("POST", "/xapi/rules/check", r#"{"changes":{"site/policy.json":"{}"}}"#, [401, 403, 403, 403, 403, 200]),
    ("POST", "/xapi/rules/check", r#"{"changes":{"modules/mine/rule.rhai":""}}"#, [401, 403, 403, 403, 403, 200]),
    ("POST", "/xapi/rules/explain", "PROJECT_ID=P&path=PATH", [401, 400, 200, 200, 400, 200]),
    ("POST", "/xapi/rules/explain", r#"PROJECT_ID=P&path=PATH&changes={"projects/P/policy.json":"{}"}"#, [401, 403, 403, 200, 404, 200]),
    ("POST", "/xapi/rules/explain?PROJECT_ID=P", "@", [401, 400, 200, 200, 400, 200]),
    ("PUT", "/xapi/rules/projects/P/policy", "{}", [401, 403, 403, 200, 404, 200]),
    // XNAT's settings: the site's of administrators, a project's of its owners.
    ("GET", "/xapi/anonymize/default", "", [401, 200, 200, 200, 200, 200]),
    ("GET", "/xapi/anonymize/site", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/xapi/anonymize/site/enabled", "", [401, 403, 403, 403, 403, 200]),
    ("PUT", "/xapi/anonymize/site", "", [401, 403, 403, 403, 403, 400]),
    ("PUT", "/xapi/anonymize/site/enabled?enable=true", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/xapi/anonymize/projects/P", "", [401, 403, 403, 204, 404, 204]),
    ("GET", "/xapi/anonymize/projects/P/enabled", "", [401, 403, 403, 200, 404, 200]),
    ("PUT", "/xapi/anonymize/projects/P", "", [401, 403, 403, 400, 404, 400]),
    ("PUT", "/xapi/anonymize/projects/P/enabled", "", [401, 403, 403, 409, 404, 409]),
    ("GET", "/xapi/siteConfig/sitewideSeriesImportFilter", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/xapi/siteConfig/siteId", "", [401, 403, 403, 403, 403, 404]),
    ("POST", "/xapi/siteConfig/enableSitewideAnonymizationScript", "", [401, 403, 403, 403, 403, 400]),
    ("POST", "/xapi/siteConfig", r#"{"enableSitewideAnonymizationScript":true}"#, [401, 403, 403, 403, 403, 200]),
    ("GET", "/data/config", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/data/config/dicom", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/data/config/seriesImportFilter/config", "", [401, 403, 403, 403, 403, 404]),
    ("GET", "/data/config/other/path", "", [401, 403, 403, 403, 403, 404]),
    ("PUT", "/data/config/seriesImportFilter/config", "", [401, 403, 403, 403, 403, 400]),
    ("GET", "/data/projects/P/config", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/data/projects/P/config/dicom", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/data/projects/P/config/seriesImportFilter/config", "", [401, 403, 403, 404, 404, 404]),
    ("PUT", "/data/projects/P/config/seriesImportFilter/config", "", [401, 403, 403, 400, 404, 400]),
    ("GET", "/data/config/edit/image/dicom/script", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/data/config/edit/image/dicom/status", "", [401, 403, 403, 403, 403, 200]),
    ("PUT", "/data/config/edit/image/dicom/script", "", [401, 403, 403, 403, 403, 400]),
    ("PUT", "/data/config/edit/image/dicom/status", "", [401, 403, 403, 403, 403, 400]),
    ("GET", "/data/config/edit/projects/P/image/dicom/script", "", [401, 403, 403, 200, 404, 200]),
    ("GET", "/data/config/edit/projects/P/image/dicom/status", "", [401, 403, 403, 200, 404, 200]),
    ("PUT", "/data/config/edit/projects/P/image/dicom/script", "", [401, 403, 403, 400, 404, 400]),
    ("PUT", "/data/config/edit/projects/P/image/dicom/status?activate=false", "", [401, 403, 403, 409, 404, 409]),
    // Webhooks, of administrators.
    ("GET", "/xapi/webhooks", "", [401, 403, 403, 403, 403, 200]),
    ("GET", "/xapi/webhooks/9", "", [401, 403, 403, 403, 403, 404]),
    ("GET", "/xapi/webhooks/9/deliveries", "", [401, 403, 403, 403, 403, 404]),
    ("POST", "/xapi/webhooks", r#"{"url":"ftp://x"}"#, [401, 403, 403, 403, 403, 400]),
    ("PUT", "/xapi/webhooks/9", r#"{"enabled":false}"#, [401, 403, 403, 403, 403, 404]),
    ("DELETE", "/xapi/webhooks/9", "", [401, 403, 403, 403, 403, 404]),
    ("POST", "/xapi/webhooks/9/test", "", [401, 403, 403, 403, 403, 404]),
    // An experiment's end.
    ("DELETE", "/data/projects/P/experiments/E2?removeFiles=true", "", [401, 403, 403, 200, 404, 404]),
    // Nothing at all.
    ("GET", "/data/none", "", [404; 6]),
    ("GET", "/xapi/none", "", [404; 6]),
];

/// A site with a session of P in each area. Answers what the names in the table stand for.
fn site() -> (Site, Vec<(&'static str, String)>) {
    let site = Site::new();
    site.command(&["project", "grant", "OTHER", "eve", "owner"], "");
    for (number, label) in [(1, "E1"), (2, "E2"), (3, "E3")] {
        dicom::study(&site.inbox(&format!("P/{label}")), number, 1, 1);
    }
    let import = |label: &str| {
        let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", label)];
        let done = site.import("P", &format!("P/{label}"), &labels);
        done.session()["uri"].as_str().unwrap().to_owned()
    };
    let waiting = import("E1");
    let prearchive_code = |code: u8| {
        let address = format!("/data/projects/P/prearchive_code/{code}");
        assert_eq!(site.call("otto", "PUT", &address, &[]).status, 200);
    };
    prearchive_code(4);
    let archived = import("E2");
    prearchive_code(0);
    site.policy("P", &json!({ "leak_check": "quarantine" }));
    let held = import("E3");
    site.policy("P", &json!({}));
    let path = site.inbox("P/E1").to_str().unwrap().to_owned();
    let names = vec![
        ("WAITING", waiting),
        ("HELD", held),
        ("ARCHIVED", archived),
        ("PATH", path),
    ];
    (site, names)
}

fn call(site: &Site, caller: &str, method: &str, address: &str, body: &str) -> u16 {
    if address.ends_with("/list/events") {
        // It does not end: what matters is how it begins.
        return match site
            .call(caller, method, "/xapi/dicom/list/active", &[])
            .status
        {
            200 => site.open(caller, address, &[]).status().as_u16(),
            refused => refused,
        };
    }
    if body == "@" {
        let zip = archives::packed("study.zip", &archives::study(9, 1));
        let answer = site.upload(caller, address, &[], "application/zip", &zip);
        return answer.status;
    }
    if body.starts_with('{') {
        let body = serde_json::from_str(body).unwrap();
        return site.send(caller, method, address, &body).status;
    }
    let form: Vec<(&str, &str)> = body
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    match method {
        "POST" if !form.is_empty() => site.post_form(caller, address, &form).status,
        _ => site.call(caller, method, address, &form).status,
    }
}

#[test]
fn every_endpoint_answers_everybody_as_the_table_says() {
    let (site, names) = site();
    let filled = |text: &str| {
        names.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
    };
    let mut differences = String::new();
    for (method, address, body, expected) in TABLE {
        let (address_, body_) = (filled(address), filled(body));
        let found = CALLERS.map(|caller| call(&site, caller, method, &address_, &body_));
        if found != *expected {
            writeln!(
                differences,
                "    (\"{method}\", \"{address}\", r#\"{body}\"#, {found:?}),"
            )
            .unwrap();
        }
    }
    assert!(differences.is_empty(), "answered otherwise:\n{differences}");
}

/// Whether a path of the document, such as `/data/projects/{project}`, stands for an address.
fn is_of(path: &str, address: &str) -> bool {
    let (path, address) = (path.split('/'), address.split('/'));
    let steps: Vec<(&str, &str)> = path.clone().zip(address.clone()).collect();
    // A configuration's path may hold slashes.
    let is_as_long = match path.clone().next_back() {
        Some("{path}") => address.count() >= path.count(),
        _ => address.count() == path.count(),
    };
    let fits = |(path, step): (&str, &str)| path == step || path.starts_with('{');
    is_as_long && steps.into_iter().all(fits)
}

/// The table above and the document tell of the same: what is called there, with the answers that it had, is
/// described, and what is described is called, by one of the paths of those that are described alike.
#[test]
fn the_document_and_the_table_tell_of_the_same() {
    let site = Site::new();
    let document = site.call("", "GET", "/xapi/openapi.json", &[]).json();
    let described = document["paths"].as_object().unwrap();
    let mut uncalled: BTreeSet<(String, String)> = BTreeSet::new();
    let key = |method: &str, operation: &Value| {
        let summary = operation["summary"].as_str().unwrap();
        (method.to_lowercase(), summary.to_owned())
    };
    for item in described.values() {
        let operations = item.as_object().unwrap().iter();
        uncalled.extend(operations.map(|(method, operation)| key(method, operation)));
    }
    let mut problems = Vec::new();
    for (method, address, _, statuses) in TABLE {
        let address = address.split('?').next().unwrap();
        let address = match address.starts_with('/') {
            true => address.replace("WAITING", "/prearchive/projects/P/1/E"),
            false => continue,
        };
        let address = address.replace("HELD", "/prearchive/projects/P/1/E");
        let address = match address.strip_prefix("/data/archive/") {
            Some(below) => format!("/data/{below}"),
            None => address,
        };
        // The path with the fewest parameters is the one that is routed to.
        let fitting = described.keys().filter(|path| is_of(path, &address));
        let path = fitting.min_by_key(|path| path.matches('{').count());
        let operation = path.and_then(|path| described[path].get(method.to_lowercase()));
        let Some(operation) = operation else {
            if *statuses != [404; 6] {
                problems.push(format!("{method} {address}: not described"));
            }
            continue;
        };
        uncalled.remove(&key(method, operation));
        for status in statuses {
            if operation["responses"].get(status.to_string()).is_none() {
                problems.push(format!("{method} {address}: {status} is not described"));
            }
        }
    }
    for (method, summary) in uncalled {
        problems.push(format!("{method} ({summary}): not in the table"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
