//! The addresses below /xapi/rules, and what they are for.

use axum::extract::DefaultBodyLimit;
use schemars::JsonSchema as _;

use crate::import::explain::Explanation;
use crate::rules::{Chain, ModuleDetail, ModuleStatus, ModuleTests};

use super::super::api::{Api, Field, Schema, get, post, put};
use super::{
    ActivationView, FileView, FromTo, Reason, StatusView, Which, WhichFile, check, diff, explain,
    files, list_modules, modules, project_policy, put_project_policy, put_site_policy, reload,
    rollback, shadow, site_policy, status, version, versions,
};

const FAMILY: &str = "Rules";

/// A script may have 1 MB; as JSON it is longer.
const LARGEST_FILE: usize = 2 * 1024 * 1024;

const IF_MATCH: Field = (
    "If-Match",
    "text",
    "The `ETag` of what was read, that of an empty text where there was nothing: nothing is written if it has been changed since.",
);

pub fn routes() -> Api {
    let api = Api::new(FAMILY)
        .on(
            get(
                "/rules/status",
                "What is active in the caller's projects, and what is wrong with the folder",
            )
            .json::<Vec<StatusView>>(),
            status,
        )
        .on(
            get("/rules/modules", "The modules that there are").json::<Vec<ModuleStatus>>(),
            list_modules,
        )
        .on(
            get(
                "/rules/modules/{name}",
                "A module, with its manifest and the schema of its settings",
            )
            .json::<ModuleDetail>(),
            modules::module,
        )
        .on(
            post("/rules/modules/{name}/test", "Run a module's test cases")
                .json::<ModuleTests>()
                .fails([409]),
            modules::test,
        )
        .on(
            get("/rules/versions", "The history, the newest first")
                .query::<Which>()
                .json::<Vec<ActivationView>>()
                .fails([403, 404]),
            versions,
        )
        .on(
            get(
                "/rules/versions/{hash}",
                "The files of a version, or one of them",
            )
            .query::<WhichFile>()
            .json::<Vec<FileView>>()
            .text()
            .kind("application/octet-stream", Schema::Opaque)
            .bare(),
            version,
        )
        .on(
            get(
                "/rules/diff",
                "What differs between two versions, as a unified diff",
            )
            .query::<FromTo>()
            .text()
            .bare(),
            diff,
        )
        .on(
            get(
                "/rules/shadow",
                "Where candidates disagreed with the active rules",
            )
            .query::<shadow::Which>()
            .json::<Vec<shadow::CandidateView>>()
            .fails([403, 404]),
            shadow::list,
        )
        .on(
            post("/rules/rollback", "Make a version active again")
                .form(rollback::FORM)
                .takes(
                    "application/json",
                    Schema::Of(rollback::Rollback::json_schema),
                )
                .json::<StatusView>()
                .fails([404, 409]),
            rollback::roll_back,
        )
        .on(
            post("/rules/reload", "Look at the folder now")
                .json::<Vec<StatusView>>()
                .fails([409]),
            reload,
        );
    let read = |path: &'static str, what: &'static str| {
        get(path, what)
            .kind("application/json", Schema::Named("Policy"))
            .fails([403])
            .bare()
    };
    let write = |path: &'static str, what: &'static str| {
        let writing = put(path, what).query::<Reason>();
        writing
            .takes("application/json", Schema::Named("Policy"))
            .header(IF_MATCH)
            .empty(200, "Active")
            .fails([409, 412])
    };
    let (site, project) = ("/rules/site/policy", "/rules/projects/{project}/policy");
    let chain = |path: &'static str, what: &'static str| {
        get(path, what).json::<Chain>().fails([400, 403, 409])
    };
    let api = api
        .on(
            chain(
                "/rules/site/chain",
                "What runs where a project says nothing of its own",
            ),
            modules::site_chain,
        )
        .on(
            chain(
                "/rules/projects/{project}/chain",
                "What runs in a project, in order, with its settings",
            )
            .query::<modules::Of>(),
            modules::project_chain,
        );
    api.on(read(site, "The site's policy"), site_policy)
        .on(write(site, "Set the site's policy"), put_site_policy)
        .on(read(project, "A project's policy"), project_policy)
        .on(write(project, "Set a project's policy"), put_project_policy)
}

/// Files of rules, which may be larger than what other calls have to say.
pub fn file_routes() -> Api {
    let read = |path: &'static str, what: &'static str| {
        get(path, what)
            .text()
            .kind("application/octet-stream", Schema::Opaque)
            .fails([403])
            .bare()
    };
    let write = |path: &'static str, what: &'static str| {
        put(path, what)
            .query::<Reason>()
            .takes("text/plain", Schema::Opaque)
            .takes("application/octet-stream", Schema::Opaque)
            .header(IF_MATCH)
            .empty(200, "Active")
            .fails([409, 412])
    };
    let of_module = "/rules/modules/{name}/files/{file}";
    let mut api = Api::new(FAMILY)
        .on(
            post(
                "/rules/check",
                "What changes of the rules would change, and what is wrong with them",
            )
            .takes_json::<check::Wanted>()
            .json::<check::Checked>()
            .fails([404]),
            check::check,
        )
        .on(read(of_module, "A file of a module"), files::module_file)
        .on(
            write(of_module, "Change a file of a module"),
            files::put_module_file,
        );
    for path in [
        "/rules/site/files/{file}",
        "/rules/projects/{project}/files/{file}",
    ] {
        api = api
            .on(
                read(path, "A script or a table beside a policy"),
                files::policy_file,
            )
            .on(
                write(path, "Set a script or a table beside a policy"),
                files::put_policy_file,
            );
    }
    api.layer(DefaultBodyLimit::max(LARGEST_FILE))
}

/// Those whose answer may be long in coming.
pub fn slow_routes() -> Api {
    let explaining = get(
        "/rules/explain",
        "What the rules would do with files of the inbox",
    )
    .parameters(explain::PARAMETERS)
    .json::<Explanation>()
    .fails([404, 409]);
    let trying = post(
        "/rules/explain",
        "The same with a file in the call, or with changes of the rules that are not made yet",
    )
    .form(explain::TRIAL)
    .takes("multipart/form-data", Schema::Opaque)
    .takes("application/dicom", Schema::Opaque)
    .takes("application/zip", Schema::Opaque)
    .takes("application/octet-stream", Schema::Opaque)
    .json::<Explanation>()
    .fails([404, 409, 503]);
    Api::new(FAMILY)
        .on(explaining, explain::explain)
        .on(trying, explain::try_out)
        .layer(DefaultBodyLimit::max(LARGEST_FILE))
}
