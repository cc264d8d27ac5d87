//! A DICOM file from a JSON object, byte for byte: `"0010,0010 PN": "Doe^John"`. A value is text (UTF-8),
//! bytes (`{"hex": "1b24"}`), or a list of items.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What every file has: identifiers, dates, sequences in sequences, private blocks, numbers.
pub fn base() -> Map<String, Value> {
    let Value::Object(base) = json!({
        "0008,0016 UI": "1.2.840.10008.5.1.4.1.1.2",
        "0008,0018 UI": "1.2.3.4",
        "0008,0020 DA": "20240229",
        "0008,002A DT": "20240229235959.5+0100",
        "0008,0030 TM": "101530",
        "0008,0060 CS": "CT",
        "0008,1110 SQ": [{ "0008,1150 UI": "1.2.840.10008.3.1.2.3.1", "0008,1155 UI": "1.2.3.9" }],
        "0010,0010 PN": "Doe^John",
        "0010,0020 LO": "4711",
        "0010,0030 DA": "19700102",
        "0010,1000 LO": "A1\\B2",
        "0010,1002 SQ": [
            { "0010,0020 LO": "X1", "0010,0022 CS": "TEXT" },
            { "0010,0020 LO": "X2", "0010,1040 LO": "Street 2" },
        ],
        "0010,1040 LO": "Street 1",
        "0018,9087 FD": { "hex": "0000000000448f40" },
        "0019,0010 LO": "SIEMENS MR HEADER",
        "0019,0011 LO": "ACME/2",
        "0019,100C IS": "1000",
        "0019,110C LO": "secret",
        "0020,000D UI": "1.2.3",
        "0020,000E UI": "1.2.3.5",
        "0020,0010 SH": "7",
        "0020,0013 IS": "42",
        "0028,0010 US": { "hex": "0300" },
        "0028,0011 US": { "hex": "0400" },
        "0028,0030 DS": "0.5\\0.25",
        "0028,0106 SS": { "hex": "feff" },
        "0040,0275 SQ": [
            { "0040,0007 LO": "knee", "0040,0008 SQ": [{ "0008,0100 SH": "C1", "0008,0104 LO": "Knee" }] },
        ],
    }) else {
        unreachable!()
    };
    base
}

/// A file of [`base`] with other elements over it; null takes one away.
pub fn file(elements: &Map<String, Value>) -> Vec<u8> {
    let mut all = base();
    for (key, value) in elements {
        // The same element in another VR takes the place too.
        all.retain(|known, _| known[..9] != key[..9]);
        if !value.is_null() {
            all.insert(key.clone(), value.clone());
        }
    }
    let meta = json!({
        "0002,0002 UI": "1.2.840.10008.5.1.4.1.1.2",
        "0002,0003 UI": "1.2.3.4",
        "0002,0010 UI": "1.2.840.10008.1.2.1",
    });
    let meta = encode(meta.as_object().unwrap());
    let mut bytes = vec![0; 128];
    bytes.extend_from_slice(b"DICM\x02\0\0\0UL\x04\0");
    bytes.extend_from_slice(&(meta.len() as u32).to_le_bytes());
    bytes.extend(meta);
    bytes.extend(encode(&all));
    bytes
}

/// Explicit VR little endian (PS3.5 7.1.2), lengths defined.
fn encode(elements: &Map<String, Value>) -> Vec<u8> {
    let sorted: BTreeMap<&String, &Value> = elements.iter().collect();
    let mut bytes = Vec::new();
    for (key, value) in sorted {
        let number = |digits: &str| u16::from_str_radix(digits, 16).unwrap();
        let vr = &key[10..];
        let value = encode_value(vr, value);
        bytes.extend_from_slice(&number(&key[..4]).to_le_bytes());
        bytes.extend_from_slice(&number(&key[5..9]).to_le_bytes());
        bytes.extend_from_slice(vr.as_bytes());
        match vr {
            "SQ" | "UN" | "OB" | "OW" | "UT" | "UC" => {
                bytes.extend_from_slice(&[0, 0]);
                bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
            }
            _ => bytes.extend_from_slice(&(value.len() as u16).to_le_bytes()),
        }
        bytes.extend(value);
    }
    bytes
}

fn encode_value(vr: &str, value: &Value) -> Vec<u8> {
    let mut bytes = match value {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Array(items) => {
            let mut bytes = Vec::new();
            for item in items {
                let item = encode(item.as_object().unwrap());
                bytes.extend_from_slice(b"\xFE\xFF\x00\xE0");
                bytes.extend_from_slice(&(item.len() as u32).to_le_bytes());
                bytes.extend(item);
            }
            bytes
        }
        value => hex::decode(value["hex"].as_str().unwrap()).unwrap(),
    };
    if bytes.len() % 2 == 1 {
        bytes.push(if matches!(vr, "UI" | "OB" | "UN") {
            0
        } else {
            b' '
        });
    }
    bytes
}
