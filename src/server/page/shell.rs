//! What is around every view.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::visitor::{Notice, Visitor};

/// The parts of the page that the navigation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Imports,
    Prearchive,
    Rules,
    Site,
}

impl Section {
    const ALL: [(Section, &'static str, &'static str); 4] = [
        (Section::Imports, "/", "Imports"),
        (Section::Prearchive, "/prearchive", "Prearchive"),
        (Section::Rules, "/rules", "Rules"),
        (Section::Site, "/site", "Site"),
    ];
}

/// A view for someone who is logged in. What of it should follow the server's state is in an element `#live`.
pub fn page(
    visitor: &Visitor,
    section: Section,
    title: &str,
    notice: Option<&Notice>,
    content: Markup,
) -> Markup {
    let body = html! {
        a.skip href="#content" { "Skip to the content" }
        header.top {
            a.brand href="/" { "Sluice" }
            nav aria-label="Main" {
                @for (one, address, name) in Section::ALL {
                    a href=(address) aria-current=[(one == section).then_some("page")] { (name) }
                }
            }
            form method="post" action="/logout" {
                span.who { (visitor.name) @if visitor.admin { " (administrator)" } }
                button.plain { "Log out" }
            }
        }
        p #connection role="status" hidden { "The connection to the server is lost; what you see may be old. Trying again…" }
        main #content tabindex="-1" {
            @if let Some(notice) = notice { (told(notice.good, &notice.text)) }
            (content)
        }
    };
    document(
        title,
        &html! { body data-events="/xapi/dicom/list/events" { (body) } },
    )
}

/// A view for someone who is not.
pub fn outside(title: &str, content: Markup) -> Markup {
    document(
        title,
        &html! { body.outside { main #content { (content) } } },
    )
}

/// Says why there is no view.
pub fn refused(status: StatusCode, message: &str) -> Markup {
    let title = status.canonical_reason().unwrap_or("Error");
    let content = html! {
        h1 { (title) }
        (told(false, message))
        p { a href="/" { "To the imports" } }
    };
    outside(title, content)
}

/// What was done, or why it was not.
pub fn told(good: bool, text: &str) -> Markup {
    let (class, role) = match good {
        true => ("notice", "status"),
        false => ("notice bad", "alert"),
    };
    html! { p class=(class) role=(role) { (text) } }
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Sluice" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(assets::address("page.css"));
                script src=(assets::address("idiomorph.min.js")) defer {}
                script src=(assets::address("page.js")) defer {}
            }
            (body)
        }
    }
}
