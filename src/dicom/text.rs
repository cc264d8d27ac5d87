//! Text and character sets: Specific Character Set (PS3.3 C.12.1.1.2) with the code extensions of
//! ISO 2022 (PS3.5 6.1.2), which dicom-rs lacks. Reading never fails (a broken sequence becomes U+FFFD);
//! writing refuses what the set can't hold.

mod repertoire;

use super::source::Source;
use super::tree::{Dataset, Value};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding as Codec, GB18030, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4,
    ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874,
    WINDOWS_1252, WINDOWS_1254,
};
use repertoire::encode_char;
use std::ops::Deref;
use std::sync::Arc;

const ESC: u8 = 0x1B;
const JIS_X_0212: &[u8] = b"$(D";

/// How a set is reached and which bytes it uses.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// ASCII alone: bytes below 0x80.
    Ascii,
    /// One byte a character, ASCII below 0x80 (G1 in ISO 2022).
    Single,
    /// Two bytes above 0x80 a character, in G1 (KS X 1001, GB 2312).
    Double,
    /// Two bytes below 0x80 a character, in G0 (JIS X 0208, JIS X 0212).
    DoubleG0,
    /// Stands alone: UTF-8, GB18030, GBK.
    Whole,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Set {
    /// Defined terms with and without code extensions (PS3.3 tables C.12-2 to C.12-5).
    terms: &'static [&'static str],
    /// The escape sequence behind ESC; empty for those that have none.
    escape: &'static [u8],
    kind: Kind,
    codec: &'static Codec,
}

const ASCII: Set = Set {
    terms: &["", "ISO_IR 6", "ISO 2022 IR 6"],
    escape: b"(B",
    kind: Kind::Ascii,
    codec: WINDOWS_1252,
};

const fn single(
    terms: &'static [&'static str],
    escape: &'static [u8],
    codec: &'static Codec,
) -> Set {
    Set {
        terms,
        escape,
        kind: Kind::Single,
        codec,
    }
}

/// ISO 8859-1 and its kin are decoded by the Windows pages that hold them (as the WHATWG does);
/// the two differ only in C1 controls, which no DICOM text may hold.
static SETS: [Set; 20] = [
    ASCII,
    single(&["ISO_IR 100", "ISO 2022 IR 100"], b"-A", WINDOWS_1252),
    single(&["ISO_IR 101", "ISO 2022 IR 101"], b"-B", ISO_8859_2),
    single(&["ISO_IR 109", "ISO 2022 IR 109"], b"-C", ISO_8859_3),
    single(&["ISO_IR 110", "ISO 2022 IR 110"], b"-D", ISO_8859_4),
    single(&["ISO_IR 144", "ISO 2022 IR 144"], b"-L", ISO_8859_5),
    single(&["ISO_IR 127", "ISO 2022 IR 127"], b"-G", ISO_8859_6),
    single(&["ISO_IR 126", "ISO 2022 IR 126"], b"-F", ISO_8859_7),
    single(&["ISO_IR 138", "ISO 2022 IR 138"], b"-H", ISO_8859_8),
    single(&["ISO_IR 148", "ISO 2022 IR 148"], b"-M", WINDOWS_1254),
    single(&["ISO_IR 203", "ISO 2022 IR 203"], b"-b", ISO_8859_15),
    single(&["ISO_IR 166", "ISO 2022 IR 166"], b"-T", WINDOWS_874),
    single(&["ISO_IR 13", "ISO 2022 IR 13"], b")I", SHIFT_JIS),
    Set {
        terms: &["ISO 2022 IR 87", "ISO_IR 87"],
        escape: b"$B",
        kind: Kind::DoubleG0,
        codec: EUC_JP,
    },
    Set {
        terms: &["ISO 2022 IR 159", "ISO_IR 159"],
        escape: JIS_X_0212,
        kind: Kind::DoubleG0,
        codec: EUC_JP,
    },
    Set {
        terms: &["ISO 2022 IR 149", "ISO_IR 149"],
        escape: b"$)C",
        kind: Kind::Double,
        codec: EUC_KR,
    },
    Set {
        terms: &["ISO 2022 IR 58", "ISO_IR 58"],
        escape: b"$)A",
        kind: Kind::Double,
        codec: GBK,
    },
    Set {
        terms: &["ISO_IR 192"],
        escape: b"",
        kind: Kind::Whole,
        codec: UTF_8,
    },
    Set {
        terms: &["GB18030"],
        escape: b"",
        kind: Kind::Whole,
        codec: GB18030,
    },
    Set {
        terms: &["GBK"],
        escape: b"",
        kind: Kind::Whole,
        codec: GBK,
    },
];

/// Not in the standard, but written by some devices.
static BIG5_SET: Set = Set {
    terms: &["BIG5"],
    escape: b"",
    kind: Kind::Whole,
    codec: BIG5,
};

/// The character sets of one dataset, the first being where each value starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Charset {
    sets: Sets,
}

/// Cheap to clone: each item of a sequence takes over those around it.
#[derive(Debug, Clone, PartialEq)]
enum Sets {
    One(&'static Set),
    Several(Arc<[Set]>),
}

impl Deref for Sets {
    type Target = [Set];

    fn deref(&self) -> &[Set] {
        match self {
            Self::One(set) => std::slice::from_ref(*set),
            Self::Several(sets) => sets,
        }
    }
}

impl Default for Charset {
    fn default() -> Self {
        Self {
            sets: Sets::One(&SETS[0]),
        }
    }
}

impl Charset {
    /// From the values of Specific Character Set. Unknown terms count as ASCII.
    pub fn from_terms<'a>(terms: impl IntoIterator<Item = &'a str>) -> Self {
        let known = |term: &str| {
            let term = term.trim();
            SETS.iter()
                .chain([&BIG5_SET])
                .find(|set| set.terms.contains(&term))
                .unwrap_or(&SETS[0])
        };
        let mut terms = terms.into_iter().map(known);
        let Some(first) = terms.next() else {
            return Self::default();
        };
        let sets = match terms.next() {
            None => Sets::One(first),
            Some(second) => Sets::Several(
                [first, second]
                    .into_iter()
                    .chain(terms)
                    .copied()
                    .collect::<Vec<_>>()
                    .into(),
            ),
        };
        Self { sets }
    }

    /// That of a dataset or item: its own, else that of the dataset around it.
    pub fn of(dataset: &Dataset, source: &Source, around: &Charset) -> Self {
        let Some(element) = dataset.get(tags::SPECIFIC_CHARACTER_SET) else {
            return around.clone();
        };
        let bytes = match &element.value {
            Value::Source(span) => source.loaded(*span).unwrap_or_default(),
            Value::Edited(bytes) => bytes,
            Value::Fragments(_) | Value::Sequence(_) => &[],
        };
        let terms = String::from_utf8_lossy(bytes);
        Self::from_terms(terms.trim_end_matches(['\0', ' ']).split('\\'))
    }

    /// Decodes a value, before it is split at `\`: in GB18030 and the Japanese sets a backslash can be
    /// the second byte of a character (PS3.5 6.1.2.3).
    pub fn decode(&self, bytes: &[u8], vr: VR) -> String {
        let first = self.sets[0];
        if first.kind == Kind::Whole {
            return first
                .codec
                .decode_without_bom_handling(bytes)
                .0
                .into_owned();
        }
        if bytes.is_ascii() && !bytes.contains(&ESC) {
            return bytes.iter().map(|b| char::from(*b)).collect();
        }
        let mut text = String::new();
        let (mut g0, mut g1) = self.initial();
        let mut rest = bytes;
        while !rest.is_empty() {
            if rest[0] == ESC
                && let Some(set) = SETS
                    .iter()
                    .find(|s| !s.escape.is_empty() && rest[1..].starts_with(s.escape))
            {
                rest = &rest[1 + set.escape.len()..];
                match set.kind {
                    Kind::Ascii | Kind::DoubleG0 => g0 = *set,
                    _ => g1 = Some(*set),
                }
                continue;
            }
            // ESC ( J: JIS X 0201 romaji, ASCII but for two signs.
            if rest.starts_with(b"\x1b(J") {
                rest = &rest[3..];
                g0 = ASCII;
                continue;
            }
            let wide = g0.kind == Kind::DoubleG0;
            let run = rest
                .iter()
                .skip(1)
                .position(|b| *b == ESC || (!wide && is_delimiter(*b, vr)))
                .map_or(rest.len(), |p| p + 1);
            let (fragment, after) = rest.split_at(run);
            if !wide && is_delimiter(fragment[0], vr) {
                // PS3.5 6.1.2.5.3: every delimiter brings back the first set.
                (g0, g1) = self.initial();
            }
            // A set that only G0 holds has no bytes above 0x7F; what some write there anyway reads as its EUC form.
            let high = g1.unwrap_or(first);
            decode_fragment(fragment, g0, high, &mut text);
            rest = after;
        }
        text
    }

    /// What G0 and G1 hold at the start of a value. The sets of two bytes in G0 are reached by their escape alone,
    /// also where a writer named one as the first, which PS3.3 C.12.1.1.2 doesn't have.
    fn initial(&self) -> (Set, Option<Set>) {
        let first = self.sets[0];
        match first.kind {
            Kind::Ascii | Kind::DoubleG0 => (ASCII, None),
            _ => (ASCII, Some(first)),
        }
    }

    /// Encodes a text, switching sets where there are several.
    ///
    /// # Errors
    /// The first character that no set of the dataset can hold.
    pub fn encode(&self, text: &str, vr: VR) -> Result<Vec<u8>, char> {
        if text.is_ascii() {
            return Ok(text.as_bytes().to_vec());
        }
        let first = self.sets[0];
        if first.kind == Kind::Whole {
            let (bytes, _, lossy) = first.codec.encode(text);
            return match lossy {
                true => Err(first_unmappable(text, first)),
                false => Ok(bytes.into_owned()),
            };
        }
        let mut out = Vec::with_capacity(text.len());
        let (initial_g0, initial_g1) = self.initial();
        let (mut g0, mut g1) = (initial_g0, initial_g1);
        for c in text.chars() {
            if c.is_ascii() {
                if g0.kind != Kind::Ascii {
                    push_escape(&mut out, ASCII);
                    g0 = ASCII;
                }
                out.push(c as u8);
                if is_delimiter(c as u8, vr) {
                    g1 = initial_g1;
                }
                continue;
            }
            let current = [g1, Some(g0)].into_iter().flatten();
            let (set, bytes) = current
                .chain(self.sets.iter().copied())
                // One that stands alone can't be switched to (PS3.3 C.12.1.1.2).
                .filter(|set| set.kind != Kind::Whole)
                .find_map(|set| encode_char(c, set).map(|bytes| (set, bytes)))
                .ok_or(c)?;
            if g0 != set && g1 != Some(set) {
                push_escape(&mut out, set);
                match set.kind {
                    Kind::DoubleG0 => g0 = set,
                    _ => g1 = Some(set),
                }
            }
            out.extend(bytes);
        }
        if g0.kind != Kind::Ascii {
            push_escape(&mut out, ASCII);
        }
        Ok(out)
    }
}

/// What brings back the first set (PS3.5 6.1.2.5.3); in person names also what separates their parts.
fn is_delimiter(byte: u8, vr: VR) -> bool {
    matches!(byte, b'\\' | b'\r' | b'\n' | 0x0C | b'\t')
        || (vr == VR::PN && matches!(byte, b'^' | b'='))
}

fn push_escape(out: &mut Vec<u8>, set: Set) {
    out.push(ESC);
    out.extend(set.escape);
}

fn decode_fragment(bytes: &[u8], g0: Set, g1: Set, text: &mut String) {
    if g0.kind == Kind::DoubleG0 {
        // EUC-JP holds JIS X 0208 as it is with the high bits set, JIS X 0212 behind 0x8F.
        let mut euc = Vec::with_capacity(bytes.len() * 3 / 2);
        for pair in bytes.chunks(2) {
            if g0.escape == JIS_X_0212 {
                euc.push(0x8F);
            }
            euc.extend(pair.iter().map(|b| b | 0x80));
        }
        text.push_str(&g0.codec.decode_without_bom_handling(&euc).0);
        return;
    }
    text.push_str(&g1.codec.decode_without_bom_handling(bytes).0);
}

fn first_unmappable(text: &str, set: Set) -> char {
    let mut buffer = [0; 4];
    text.chars()
        .find(|c| set.codec.encode(c.encode_utf8(&mut buffer)).2)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}
