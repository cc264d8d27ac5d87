//! The addresses below /xapi/rules, and what they are for.

use crate::import::explain::Explanation;
use crate::rules::ModuleStatus;

use super::super::api::{Api, Field, Schema, get, post, put};
use super::{
    ActivationView, FileView, FromTo, Reason, StatusView, Which, WhichFile, diff, explain, modules,
    project_policy, put_project_policy, put_site_policy, reload, roll_back, shadow, site_policy,
    status, version, versions,
};

const FAMILY: &str = "Rules";

const ROLL_BACK: &[Field] = &[
    ("project", "text", "The project."),
    ("ruleSet", "text", "The version's hash."),
    ("reason", "text", "For the history."),
];

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
            modules,
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
                .form(ROLL_BACK)
                .json::<StatusView>()
                .fails([404, 409]),
            roll_back,
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
            .empty(200, "Active")
            .fails([409])
    };
    let (site, project) = ("/rules/site/policy", "/rules/projects/{project}/policy");
    api.on(read(site, "The site's policy"), site_policy)
        .on(write(site, "Set the site's policy"), put_site_policy)
        .on(read(project, "A project's policy"), project_policy)
        .on(write(project, "Set a project's policy"), put_project_policy)
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
    Api::new(FAMILY).on(explaining, explain::explain)
}
