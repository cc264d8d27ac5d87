//! The XML Schema of the data types this server speaks of, from which xnatpy makes its classes.
//!
//! One document, made from the table of session and scan types, so that a type which is emitted is in it:
//! xnatpy raises a KeyError on any other. It holds what the answers hold, in the structure of XNAT's own
//! xnat.xsd.

use std::fmt::Write as _;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::archive::{scan_types, session_types};

use super::auth::Caller;
use super::error::ApiError;

/// The name of the only schema.
pub const NAME: &str = "xnat";

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xnat="http://nrg.wustl.edu/xnat" targetNamespace="http://nrg.wustl.edu/xnat" elementFormDefault="qualified" attributeFormDefault="unqualified">
"#;

/// The types that others build on. Fields are in the order of XNAT's document.
const BASE: &str = r#"  <xs:complexType name="projectData">
    <xs:sequence>
      <xs:element name="name" type="xs:string" minOccurs="0"/>
      <xs:element name="description" type="xs:string" minOccurs="0"/>
    </xs:sequence>
    <xs:attribute name="ID" type="xs:string" use="required"/>
    <xs:attribute name="secondary_ID" type="xs:string"/>
  </xs:complexType>
  <xs:complexType name="subjectData">
    <xs:sequence/>
    <xs:attribute name="ID" type="xs:string" use="required"/>
    <xs:attribute name="project" type="xs:string"/>
    <xs:attribute name="label" type="xs:string"/>
  </xs:complexType>
  <xs:complexType name="experimentData">
    <xs:sequence>
      <xs:element name="date" type="xs:date" minOccurs="0"/>
      <xs:element name="time" type="xs:time" minOccurs="0"/>
      <xs:element name="resources" minOccurs="0">
        <xs:complexType>
          <xs:sequence>
            <xs:element name="resource" type="xnat:abstractResource" minOccurs="0" maxOccurs="unbounded"/>
          </xs:sequence>
        </xs:complexType>
      </xs:element>
    </xs:sequence>
    <xs:attribute name="ID" type="xs:string" use="required"/>
    <xs:attribute name="project" type="xs:string"/>
    <xs:attribute name="label" type="xs:string"/>
  </xs:complexType>
  <xs:complexType name="subjectAssessorData">
    <xs:complexContent>
      <xs:extension base="xnat:experimentData">
        <xs:sequence>
          <xs:element name="subject_ID" type="xs:string" minOccurs="0"/>
        </xs:sequence>
      </xs:extension>
    </xs:complexContent>
  </xs:complexType>
  <xs:complexType name="imageSessionData">
    <xs:complexContent>
      <xs:extension base="xnat:subjectAssessorData">
        <xs:sequence>
          <xs:element name="scans" minOccurs="0">
            <xs:complexType>
              <xs:sequence>
                <xs:element name="scan" type="xnat:imageScanData" minOccurs="0" maxOccurs="unbounded"/>
              </xs:sequence>
            </xs:complexType>
          </xs:element>
        </xs:sequence>
        <xs:attribute name="UID" type="xs:string"/>
        <xs:attribute name="modality" type="xs:string"/>
      </xs:extension>
    </xs:complexContent>
  </xs:complexType>
  <xs:complexType name="imageScanData">
    <xs:sequence>
      <xs:element name="image_session_ID" type="xs:string" minOccurs="0"/>
      <xs:element name="quality" type="xs:string" minOccurs="0"/>
      <xs:element name="series_description" type="xs:string" minOccurs="0"/>
      <xs:element name="modality" type="xs:string" minOccurs="0"/>
      <xs:element name="frames" type="xs:integer" minOccurs="0"/>
      <xs:element name="file" type="xnat:abstractResource" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence>
    <xs:attribute name="ID" type="xs:string" use="required"/>
    <xs:attribute name="type" type="xs:string"/>
    <xs:attribute name="UID" type="xs:string"/>
  </xs:complexType>
  <xs:complexType name="abstractResource">
    <xs:sequence/>
    <xs:attribute name="label" type="xs:string"/>
    <xs:attribute name="file_count" type="xs:integer"/>
    <xs:attribute name="file_size" type="xs:integer"/>
  </xs:complexType>
"#;

/// The document.
pub fn document() -> String {
    let mut text = format!("{HEAD}{BASE}");
    extend(&mut text, "xnat:resource", "xnat:abstractResource");
    extend(&mut text, "xnat:resourceCatalog", "xnat:resource");
    for name in session_types() {
        extend(&mut text, &name, "xnat:imageSessionData");
    }
    for name in scan_types() {
        extend(&mut text, &name, "xnat:imageScanData");
    }
    text.push_str("</xs:schema>\n");
    text
}

/// A type with nothing but what its base has.
fn extend(text: &mut String, name: &str, base: &str) {
    let name = name.strip_prefix("xnat:").unwrap_or(name);
    // Writing to a String can't fail.
    let _ = write!(
        text,
        r#"  <xs:complexType name="{name}">
    <xs:complexContent>
      <xs:extension base="{base}">
        <xs:sequence/>
      </xs:extension>
    </xs:complexContent>
  </xs:complexType>
"#
    );
}

/// GET /xapi/schemas/{name}.
pub async fn show(_caller: Caller, Path(name): Path<String>) -> Result<Response, ApiError> {
    match name == NAME {
        true => Ok(([(header::CONTENT_TYPE, "application/xml")], document()).into_response()),
        false => Err(ApiError::no_such("schema")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{scan_type, session_type};

    /// Values of Modality (0008,0060) that files come with, and what a session of several is called.
    const MODALITIES: [&str; 26] = [
        "MR", "CT", "PT", "US", "CR", "DX", "MG", "NM", "XA", "RF", "ES", "OP", "SR", "SEG",
        "RTIMAGE", "RTSTRUCT", "RTPLAN", "RTDOSE", "SC", "OT", "PR", "KO", "SM", "PT/MR", "", "?",
    ];

    fn has(document: &str, name: &str) -> bool {
        let name = name.strip_prefix("xnat:").unwrap_or(name);
        document.contains(&format!("<xs:complexType name=\"{name}\">"))
    }

    #[test]
    fn every_type_that_is_emitted_is_in_the_schema() {
        let document = document();
        for modality in MODALITIES {
            assert!(has(&document, &scan_type(modality)), "scan of {modality}");
            assert!(
                has(&document, &session_type(modality)),
                "session of {modality}"
            );
        }
        assert!(!has(&document, "xnat:noneScanData"));
    }

    #[test]
    fn every_base_is_a_type_of_the_document() {
        let document = document();
        let bases: Vec<&str> = document
            .split("base=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(bases.len() > 30);
        for base in bases {
            assert!(has(&document, base), "{base}");
        }
    }
}
