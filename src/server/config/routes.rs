//! The addresses of configurations, and what they are for.

use super::super::api::{self, Api, get};
use super::{
    Asked, edit_script, edit_status, of_tool, put, put_edit_script, put_edit_status, show, tools,
};

pub fn routes() -> Api {
    let mut api = Api::new("XNAT's settings");
    for base in ["/config", "/projects/{project}/config"] {
        let one = format!("{base}/{{tool}}/{{*path}}");
        api = api
            .on(
                get(base, "Tools that have a configuration")
                    .table()
                    .fails([403]),
                tools,
            )
            .on(
                get(format!("{base}/{{tool}}"), "A tool's configurations")
                    .table()
                    .fails([403]),
                of_tool,
            )
            .on(
                get(
                    one.clone(),
                    "A configuration, or with `contents=true` its text alone",
                )
                .query::<Asked>()
                .table()
                .text()
                .fails([403]),
                show,
            )
            .on(
                api::put(one, "Set a configuration")
                    .query::<Asked>()
                    .takes_text()
                    .empty(200, "Changed, and active")
                    .empty(201, "New, and active")
                    .fails([409]),
                put,
            );
    }
    for base in ["/config/edit", "/config/edit/projects/{project}"] {
        let (script, status) = (
            format!("{base}/image/dicom/script"),
            format!("{base}/image/dicom/status"),
        );
        api = api
            .on(
                get(script.clone(), "The anonymization script, as a table")
                    .table()
                    .fails([403]),
                edit_script,
            )
            .on(
                api::put(script, "Set the anonymization script")
                    .query::<Asked>()
                    .takes_text()
                    .empty(200, "Active")
                    .fails([409]),
                put_edit_script,
            )
            .on(
                get(
                    status.clone(),
                    "Whether the anonymization script runs, as a table",
                )
                .table()
                .fails([403]),
                edit_status,
            )
            .on(
                api::put(status, "Switch the anonymization script on or off")
                    .query::<Asked>()
                    .empty(200, "Active")
                    .fails([409]),
                put_edit_status,
            );
    }
    api
}
