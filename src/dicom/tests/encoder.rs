//! A dataset as a model, and its encoding (PS3.5 7), style of lengths and group lengths included.

use crate::dicom::{Encoding, Tag, VR};
use std::collections::BTreeSet;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    pub nodes: Vec<Node>,
    /// The groups that have a group length, if they have a member.
    pub lengths: BTreeSet<u16>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub tag: Tag,
    pub vr: VR,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bytes(Vec<u8>),
    Fragments(Vec<Vec<u8>>),
    Items { undefined: bool, items: Vec<Item> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub undefined: bool,
    pub dataset: Dataset,
}

pub fn leaf(tag: Tag, vr: VR, value: &[u8]) -> Node {
    Node {
        tag,
        vr,
        value: Value::Bytes(value.to_vec()),
    }
}

/// Items of defined length in a sequence of defined length.
pub fn sequence(tag: Tag, items: Vec<Vec<Node>>) -> Node {
    let items = items.into_iter().map(|nodes| Item {
        undefined: false,
        dataset: dataset(nodes),
    });
    Node {
        tag,
        vr: VR::SQ,
        value: Value::Items {
            undefined: false,
            items: items.collect(),
        },
    }
}

pub fn dataset(nodes: Vec<Node>) -> Dataset {
    Dataset {
        nodes,
        lengths: BTreeSet::new(),
    }
}

pub fn transfer_syntax(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::ImplicitLittle => "1.2.840.10008.1.2",
        Encoding::ExplicitLittle => "1.2.840.10008.1.2.1",
        Encoding::ExplicitBig => "1.2.840.10008.1.2.2",
    }
}

/// A whole file around an encoded dataset, with a preamble that is not empty.
pub fn file(transfer_syntax: &str, dataset: &[u8]) -> Vec<u8> {
    let mut uid = transfer_syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    let meta = Dataset {
        nodes: vec![leaf(Tag(2, 0x10), VR::UI, &uid)],
        lengths: BTreeSet::from([2]),
    };
    let mut file = vec![0x55; 128];
    file.extend(b"DICM");
    file.extend(encode(&meta, Encoding::ExplicitLittle));
    file.extend(dataset);
    file
}

pub fn encode(dataset: &Dataset, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    // A group that an edit emptied has no length either.
    let groups: BTreeSet<u16> = dataset.nodes.iter().map(|n| n.tag.group()).collect();
    for group in groups {
        let members = dataset.nodes.iter().filter(|n| n.tag.group() == group);
        let bytes: Vec<u8> = members.flat_map(|n| node(n, encoding)).collect();
        if dataset.lengths.contains(&group) {
            header(&mut out, Tag(group, 0), VR::UL, 4, encoding);
            long(&mut out, bytes.len() as u32, encoding);
        }
        out.extend(bytes);
    }
    out
}

fn node(node: &Node, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    match &node.value {
        Value::Bytes(bytes) => {
            header(&mut out, node.tag, node.vr, bytes.len() as u32, encoding);
            out.extend(bytes);
        }
        Value::Fragments(fragments) => {
            header(&mut out, node.tag, node.vr, u32::MAX, encoding);
            for fragment in fragments {
                delimiter(&mut out, 0xE000, fragment.len() as u32, encoding);
                out.extend(fragment);
            }
            delimiter(&mut out, 0xE0DD, 0, encoding);
        }
        Value::Items { undefined, items } => {
            // PS3.5 6.2.2 note 4.
            let inner = match node.vr {
                VR::UN => Encoding::ImplicitLittle,
                _ => encoding,
            };
            let bytes: Vec<u8> = items.iter().flat_map(|i| item(i, inner)).collect();
            if *undefined {
                header(&mut out, node.tag, node.vr, u32::MAX, encoding);
                out.extend(bytes);
                delimiter(&mut out, 0xE0DD, 0, inner);
            } else {
                header(&mut out, node.tag, node.vr, bytes.len() as u32, encoding);
                out.extend(bytes);
            }
        }
    }
    out
}

fn item(item: &Item, encoding: Encoding) -> Vec<u8> {
    let bytes = encode(&item.dataset, encoding);
    let mut out = Vec::new();
    if item.undefined {
        delimiter(&mut out, 0xE000, u32::MAX, encoding);
        out.extend(bytes);
        delimiter(&mut out, 0xE00D, 0, encoding);
    } else {
        delimiter(&mut out, 0xE000, bytes.len() as u32, encoding);
        out.extend(bytes);
    }
    out
}

fn header(out: &mut Vec<u8>, tag: Tag, vr: VR, length: u32, encoding: Encoding) {
    const LONG: [&str; 13] = [
        "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV",
    ];
    short(out, tag.group(), encoding);
    short(out, tag.element(), encoding);
    if encoding == Encoding::ImplicitLittle {
        long(out, length, encoding);
        return;
    }
    out.extend(vr.to_string().as_bytes());
    if LONG.contains(&vr.to_string()) {
        out.extend([0, 0]);
        long(out, length, encoding);
    } else {
        short(out, length.try_into().expect("a short value"), encoding);
    }
}

fn delimiter(out: &mut Vec<u8>, element: u16, length: u32, encoding: Encoding) {
    short(out, 0xFFFE, encoding);
    short(out, element, encoding);
    long(out, length, encoding);
}

fn short(out: &mut Vec<u8>, number: u16, encoding: Encoding) {
    out.extend(match encoding {
        Encoding::ExplicitBig => number.to_be_bytes(),
        _ => number.to_le_bytes(),
    });
}

fn long(out: &mut Vec<u8>, number: u32, encoding: Encoding) {
    out.extend(match encoding {
        Encoding::ExplicitBig => number.to_be_bytes(),
        _ => number.to_le_bytes(),
    });
}
