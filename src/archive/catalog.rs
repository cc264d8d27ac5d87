//! XNAT's catalog of a resource: `scan_<scan>_catalog.xml` with an entry for each file
//! (`xdat:DCMCatalog`, as XNAT's `CatalogUtils` writes it).

use crate::failpoint::{crash_point, disk_point};
use crate::store::{Scan, StoredFile};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, Event};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes the catalogs of a session's resources, each whole or not at all.
pub fn write_all(session: &Path, files: &[StoredFile], scans: &[Scan]) -> io::Result<()> {
    let mut by_resource: BTreeMap<(&str, &str), Vec<&StoredFile>> = BTreeMap::new();
    for file in files {
        by_resource
            .entry((&file.scan_id, &file.resource))
            .or_default()
            .push(file);
    }
    for ((scan, resource), mut files) in by_resource {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let uid = scans
            .iter()
            .find(|s| s.scan_id == scan)
            .map(|s| s.series_uid.as_str());
        let folder = session.join("SCANS").join(scan).join(resource);
        let name = catalog_name(scan, resource);
        let temporary = folder.join(format!(".{name}.new"));
        disk_point("catalog.disk")?;
        let mut out = BufWriter::new(File::create(&temporary)?);
        write(&mut out, uid.unwrap_or_default(), &files)?;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_data()?;
        crash_point("catalog.temporary");
        fs::rename(&temporary, folder.join(name))?;
        crash_point("catalog.renamed");
    }
    Ok(())
}

fn catalog_name(scan: &str, resource: &str) -> String {
    match resource {
        "DICOM" => format!("scan_{scan}_catalog.xml"),
        other => format!("scan_{scan}_{other}_catalog.xml"),
    }
}

fn write(out: &mut impl Write, series_uid: &str, files: &[&StoredFile]) -> io::Result<()> {
    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let root = BytesStart::new("cat:DCMCatalog").with_attributes([
        ("UID", series_uid),
        ("xmlns:cat", "http://nrg.wustl.edu/catalog"),
        ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
    ]);
    xml.write_event(Event::Start(root))?;
    xml.write_event(Event::Start(BytesStart::new("cat:entries")))?;
    for file in files {
        let mut entry = BytesStart::new("cat:entry").with_attributes([
            ("URI", file.name.as_str()),
            ("UID", file.sop_uid.as_str()),
            ("xsi:type", "cat:dcmEntry"),
        ]);
        if let Some(number) = &file.instance_number {
            entry.push_attribute(("instanceNumber", number.as_str()));
        }
        xml.write_event(Event::Empty(entry))?;
    }
    xml.write_event(Event::End(BytesEnd::new("cat:entries")))?;
    xml.write_event(Event::End(BytesEnd::new("cat:DCMCatalog")))?;
    Ok(())
}
