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

/// Writes the catalogs of a session's resources, each whole or not at all. `session` is the session's folder.
pub fn write_all(session: &Path, scans: &[Scan], files: &[StoredFile]) -> io::Result<()> {
    for scan in scans {
        let of_scan = files.iter().filter(|file| *file.scan_id == *scan.scan_id);
        write_scan(session, scan, of_scan)?;
    }
    Ok(())
}

/// Writes the catalogs of one scan, whose files these are.
pub fn write_scan<'a>(
    session: &Path,
    scan: &Scan,
    files: impl Iterator<Item = &'a StoredFile>,
) -> io::Result<()> {
    let mut by_resource: BTreeMap<&str, Vec<&StoredFile>> = BTreeMap::new();
    for file in files {
        by_resource.entry(&file.resource).or_default().push(file);
    }
    for (resource, mut files) in by_resource {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let folder = session.join("SCANS").join(&scan.scan_id).join(resource);
        let name = catalog_name(&scan.scan_id, resource);
        let temporary = folder.join(format!(".{name}.new"));
        disk_point("catalog.disk")?;
        let mut out = BufWriter::new(File::create(&temporary)?);
        write(&mut out, &scan.series_uid, &files)?;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_data()?;
        crash_point("catalog.temporary");
        fs::rename(&temporary, folder.join(name))?;
        crash_point("catalog.renamed");
    }
    Ok(())
}

/// Whether a name may be a catalog's.
pub fn is_catalog(name: &str) -> bool {
    name.ends_with("_catalog.xml")
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
