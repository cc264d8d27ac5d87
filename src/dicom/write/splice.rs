//! A dataset as pieces of its source and encoded elements, in the file's own style.

use super::pieces::Pieces;
use crate::dicom::digest::is_told_by_length;
use crate::dicom::redact::Rewritten;
use crate::dicom::source::{Source, Span};
use crate::dicom::tree::{Dataset, Element, Encoding, Item, Sequence, Value};
use crate::dicom::{Tag, VR};
use std::io;

const UNDEFINED: u32 = 0xFFFF_FFFF;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

pub(super) struct Splicer<'a> {
    pub source: &'a Source,
    /// The one value that is not copied as it is.
    pub redacted: Option<Rewritten>,
    /// The values of the source that a digest tells by their length, in order.
    pub bulk: &'a [Span],
}

impl Splicer<'_> {
    fn span(&self, span: Span, out: &mut Pieces) {
        out.span(span, self.source, self.bulk);
    }

    pub fn dataset(&self, dataset: &Dataset, encoding: Encoding) -> io::Result<Pieces> {
        let mut out = Pieces::default();
        let mut elements = dataset.elements.iter().peekable();
        while let Some(element) = elements.next() {
            // PS3.5 7.2: a group length counts the bytes behind it, so it follows what changed there.
            if element.tag.element() == 0 && group_is_touched(dataset, element.tag.group()) {
                let mut group = Pieces::default();
                while let Some(member) = elements.next_if(|e| e.tag.group() == element.tag.group())
                {
                    self.element(member, encoding, &mut group)?;
                }
                // A group that was emptied needs no length.
                if group.len == 0 {
                    continue;
                }
                let length = u32::try_from(group.len).map_err(|_| too_long(element.tag))?;
                header(&mut out, element.tag, VR::UL, 4, encoding)?;
                out.bytes(&word(length, encoding));
                out.append(group);
            } else if out.len == 0 && dataset.is_touched() {
                self.first_element(element, encoding, &mut out)?;
            } else {
                self.element(element, encoding, &mut out)?;
            }
        }
        self.span(dataset.padding, &mut out);
        Ok(out)
    }

    /// A reader tells by the first element, and by the length of what follows, whether VRs are written at all.
    /// Where that one has no VR that could be one, it gets UN, so that an edited dataset is read as it was.
    fn first_element(
        &self,
        element: &Element,
        encoding: Encoding,
        out: &mut Pieces,
    ) -> io::Result<()> {
        let Value::Source(value) = element.value else {
            return self.element(element, encoding, out);
        };
        let written = Span {
            start: element.span.start + 4,
            len: 2,
        };
        let is_vr = |vr: &[u8]| vr == [0, 0] || vr.iter().all(u8::is_ascii_uppercase);
        let is_odd = encoding == Encoding::ExplicitLittle
            && element.vr == VR::UN
            && self.source.loaded(written).is_some_and(|vr| !is_vr(vr));
        if !is_odd {
            return self.element(element, encoding, out);
        }
        let length = u32::try_from(value.len).map_err(|_| too_long(element.tag))?;
        header(out, element.tag, VR::UN, length, encoding)?;
        self.span(value, out);
        Ok(())
    }

    fn element(&self, element: &Element, encoding: Encoding, out: &mut Pieces) -> io::Result<()> {
        if let (Value::Source(value) | Value::Fragments(value), Some(redacted)) =
            (&element.value, self.redacted)
            && *value == redacted.span
        {
            let written = match redacted.unpacked {
                Some((vr, len)) => {
                    let length = u32::try_from(len).map_err(|_| too_long(element.tag))?;
                    header(out, element.tag, vr, length, encoding)?;
                    len
                }
                None => {
                    self.span(Span::new(element.span.start, value.start), out);
                    value.len
                }
            };
            out.redacted(*value, written);
            return Ok(());
        }
        if !element.is_touched() {
            self.span(element.span, out);
            return Ok(());
        }
        match &element.value {
            Value::Edited(bytes) => {
                let length = u32::try_from(bytes.len()).map_err(|_| too_long(element.tag))?;
                header(out, element.tag, element.vr, length, encoding)?;
                match is_told_by_length(element, u64::from(length), || bytes) {
                    true => out.bulk_bytes(bytes),
                    false => out.bytes(bytes),
                }
            }
            Value::Sequence(sequence) => self.sequence(element, sequence, encoding, out)?,
            Value::Source(_) | Value::Fragments(_) => {
                unreachable!("an element with its source's value is not touched")
            }
        }
        Ok(())
    }

    fn sequence(
        &self,
        element: &Element,
        sequence: &Sequence,
        encoding: Encoding,
        out: &mut Pieces,
    ) -> io::Result<()> {
        let mut items = Pieces::default();
        for item in &sequence.items {
            self.item(item, sequence.encoding, &mut items)?;
        }
        // Sequences that were found inside UN stay UN.
        if sequence.undefined {
            header(out, element.tag, element.vr, UNDEFINED, encoding)?;
            out.append(items);
            delimiter(out, SEQUENCE_END, 0, sequence.encoding);
        } else {
            let length = u32::try_from(items.len).map_err(|_| too_long(element.tag))?;
            header(out, element.tag, element.vr, length, encoding)?;
            out.append(items);
        }
        Ok(())
    }

    fn item(&self, item: &Item, encoding: Encoding, out: &mut Pieces) -> io::Result<()> {
        if !item.new && !item.dataset.is_touched() {
            self.span(item.span, out);
            return Ok(());
        }
        let inner = self.dataset(&item.dataset, encoding)?;
        if item.undefined {
            delimiter(out, ITEM, UNDEFINED, encoding);
            out.append(inner);
            delimiter(out, ITEM_END, 0, encoding);
        } else {
            let length = u32::try_from(inner.len).map_err(|_| too_long(ITEM))?;
            delimiter(out, ITEM, length, encoding);
            out.append(inner);
        }
        Ok(())
    }
}

fn group_is_touched(dataset: &Dataset, group: u16) -> bool {
    dataset.touched_groups.contains(&group)
        || dataset
            .elements
            .iter()
            .any(|e| e.tag.group() == group && e.is_touched())
}

/// An element's header (PS3.5 7.1.2 and 7.1.3).
fn header(out: &mut Pieces, tag: Tag, vr: VR, length: u32, encoding: Encoding) -> io::Result<()> {
    put_tag(out, tag, encoding);
    if encoding != Encoding::ImplicitLittle {
        out.bytes(&vr.to_bytes());
        if has_short_length(vr) {
            let length = u16::try_from(length).map_err(|_| too_long(tag))?;
            out.bytes(&match encoding {
                Encoding::ExplicitBig => length.to_be_bytes(),
                _ => length.to_le_bytes(),
            });
            return Ok(());
        }
        out.bytes(&[0, 0]);
    }
    out.bytes(&word(length, encoding));
    Ok(())
}

fn delimiter(out: &mut Pieces, tag: Tag, length: u32, encoding: Encoding) {
    put_tag(out, tag, encoding);
    out.bytes(&word(length, encoding));
}

fn put_tag(out: &mut Pieces, tag: Tag, encoding: Encoding) {
    for half in [tag.group(), tag.element()] {
        out.bytes(&match encoding {
            Encoding::ExplicitBig => half.to_be_bytes(),
            _ => half.to_le_bytes(),
        });
    }
}

fn word(value: u32, encoding: Encoding) -> [u8; 4] {
    match encoding {
        Encoding::ExplicitBig => value.to_be_bytes(),
        _ => value.to_le_bytes(),
    }
}

/// The VRs with a 16-bit length field (PS3.5 table 7.1-2).
pub(in crate::dicom) fn has_short_length(vr: VR) -> bool {
    use VR::{AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, PN, SH, SL, SS, ST, TM, UI, UL, US};
    matches!(
        vr,
        AE | AS
            | AT
            | CS
            | DA
            | DS
            | DT
            | FD
            | FL
            | IS
            | LO
            | LT
            | PN
            | SH
            | SL
            | SS
            | ST
            | TM
            | UI
            | UL
            | US
    )
}

fn too_long(tag: Tag) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{tag} is too long for its length field"),
    )
}
