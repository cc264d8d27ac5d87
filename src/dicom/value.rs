//! Values as text and back: what a rule reads and writes, by VR (PS3.5 6.2).

use super::dictionary;
use super::source::Source;
use super::text::Charset;
use super::tree::{Element, Encoding, Value};
use dicom_core::{Tag, VR};

/// The raw bytes of a leaf, if they are in memory.
pub fn bytes<'a>(element: &'a Element, source: &'a Source) -> Option<&'a [u8]> {
    match &element.value {
        Value::Source(span) => source.loaded(*span),
        Value::Edited(bytes) => Some(bytes),
        Value::Fragments(_) | Value::Sequence(_) => None,
    }
}

/// The value as text: padding trimmed, several values joined by `\`, numbers in decimal, tags as `(gggg,eeee)`.
/// None for sequences and for bytes that are no text (OB and the like, and UN that does not look like text).
pub fn text(
    element: &Element,
    source: &Source,
    encoding: Encoding,
    charset: &Charset,
) -> Option<String> {
    let bytes = bytes(element, source)?;
    let vr = known_vr(element.tag, element.vr);
    // What is passed on as UN is in little endian, whatever is around it (PS3.5 6.2.2 note 2).
    let big = encoding == Encoding::ExplicitBig && element.vr != VR::UN;
    Some(match vr {
        VR::US => numbers(bytes, big, u16::from_be_bytes, u16::from_le_bytes),
        VR::SS => numbers(bytes, big, i16::from_be_bytes, i16::from_le_bytes),
        VR::UL => numbers(bytes, big, u32::from_be_bytes, u32::from_le_bytes),
        VR::SL => numbers(bytes, big, i32::from_be_bytes, i32::from_le_bytes),
        VR::UV => numbers(bytes, big, u64::from_be_bytes, u64::from_le_bytes),
        VR::SV => numbers(bytes, big, i64::from_be_bytes, i64::from_le_bytes),
        VR::FL => numbers(bytes, big, f32::from_be_bytes, f32::from_le_bytes),
        VR::FD => numbers(bytes, big, f64::from_be_bytes, f64::from_le_bytes),
        VR::AT => {
            let word = |b: &[u8]| {
                if big {
                    u16::from_be_bytes([b[0], b[1]])
                } else {
                    u16::from_le_bytes([b[0], b[1]])
                }
            };
            let tags = bytes
                .chunks_exact(4)
                .map(|b| format!("({:04X},{:04X})", word(b), word(&b[2..])));
            tags.collect::<Vec<_>>().join("\\")
        }
        VR::UN if !looks_like_text(bytes) => return None,
        vr if is_text(vr) || vr == VR::UN => trim(charset.decode(bytes, vr), vr),
        _ => return None,
    })
}

/// The VR that the standard gives a tag where the file has UN: somebody passed it on who didn't know it.
pub fn known_vr(tag: Tag, vr: VR) -> VR {
    match vr {
        VR::UN => dictionary::vr_of(tag).unwrap_or(vr),
        _ => vr,
    }
}

/// The single values of a text: split at `\`, unless the VR allows it in a value (PS3.5 6.2: LT, ST, UT, UR).
pub fn split(text: &str, vr: VR) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    match vr {
        VR::LT | VR::ST | VR::UT | VR::UR => vec![text.to_owned()],
        _ => text
            .split('\\')
            .map(|v| v.trim_matches([' ', '\0']).to_owned())
            .collect(),
    }
}

/// The bytes of a value, padded to even length.
///
/// # Errors
/// Why the VR, or the character set, can't hold it; the text names no part of the value.
pub fn encode(
    text: &str,
    vr: VR,
    encoding: Encoding,
    charset: &Charset,
) -> Result<Vec<u8>, String> {
    let big = encoding == Encoding::ExplicitBig;
    match vr {
        VR::US => number_bytes(text, vr, big, u16::to_be_bytes, u16::to_le_bytes),
        VR::SS => number_bytes(text, vr, big, i16::to_be_bytes, i16::to_le_bytes),
        VR::UL => number_bytes(text, vr, big, u32::to_be_bytes, u32::to_le_bytes),
        VR::SL => number_bytes(text, vr, big, i32::to_be_bytes, i32::to_le_bytes),
        VR::UV => number_bytes(text, vr, big, u64::to_be_bytes, u64::to_le_bytes),
        VR::SV => number_bytes(text, vr, big, i64::to_be_bytes, i64::to_le_bytes),
        VR::FL => number_bytes(text, vr, big, f32::to_be_bytes, f32::to_le_bytes),
        VR::FD => number_bytes(text, vr, big, f64::to_be_bytes, f64::to_le_bytes),
        VR::AT => tag_bytes(text, big),
        _ if text.is_empty() => Ok(Vec::new()),
        VR::SQ => Err("a sequence takes items, not a value".into()),
        VR::UN => Ok(pad(charset_bytes(text, vr, charset)?, b'\0')),
        vr if is_text(vr) => {
            for value in split(text, vr) {
                check(&value, vr)?;
            }
            let padding = if vr == VR::UI { b'\0' } else { b' ' };
            Ok(pad(charset_bytes(text, vr, charset)?, padding))
        }
        vr => Err(format!("{} holds bytes, not text", vr.to_string())),
    }
}

/// The same with any text where the VR holds text, and text in bytes: as DicomEdit writes values.
///
/// # Errors
/// What is no number where numbers stand; what the character set can't hold.
pub fn encode_as_given(
    text: &str,
    vr: VR,
    encoding: Encoding,
    charset: &Charset,
) -> Result<Vec<u8>, String> {
    let big = encoding == Encoding::ExplicitBig;
    match vr {
        _ if text.is_empty() => Ok(Vec::new()),
        VR::OF => number_bytes(text, vr, big, f32::to_be_bytes, f32::to_le_bytes),
        VR::OD => number_bytes(text, vr, big, f64::to_be_bytes, f64::to_le_bytes),
        VR::OL => number_bytes(text, vr, big, u32::to_be_bytes, u32::to_le_bytes),
        VR::OV => number_bytes(text, vr, big, u64::to_be_bytes, u64::to_le_bytes),
        VR::OB | VR::OW => Ok(pad(text.as_bytes().to_vec(), b'\0')),
        vr if is_text(vr) => {
            let padding = if vr == VR::UI { b'\0' } else { b' ' };
            Ok(pad(charset_bytes(text, vr, charset)?, padding))
        }
        vr => encode(text, vr, encoding, charset),
    }
}

/// A value that says nothing and is valid for the VR (PS3.15 E.3.1, action D).
pub fn dummy(vr: VR) -> &'static str {
    match vr {
        VR::DA => "19000101",
        VR::DT => "19000101000000",
        VR::TM => "000000",
        VR::AS => "000Y",
        VR::IS | VR::DS | VR::US | VR::SS | VR::UL | VR::SL | VR::UV | VR::SV | VR::FL | VR::FD => {
            "0"
        }
        VR::AT => "(0000,0000)",
        VR::PN => "Anonymized",
        _ => "ANONYMIZED",
    }
}

/// Whether values of the VR are characters (PS3.5 table 6.2-1).
pub fn is_text(vr: VR) -> bool {
    use VR::{AE, AS, CS, DA, DS, DT, IS, LO, LT, PN, SH, ST, TM, UC, UI, UR, UT};
    matches!(
        vr,
        AE | AS | CS | DA | DS | DT | IS | LO | LT | PN | SH | ST | TM | UC | UI | UR | UT
    )
}

/// Whether the VR's text is in the dataset's character set (PS3.5 6.1.2.2); other VRs hold ASCII.
pub fn has_charset(vr: VR) -> bool {
    matches!(
        vr,
        VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT | VR::UN
    )
}

fn charset_bytes(text: &str, vr: VR, charset: &Charset) -> Result<Vec<u8>, String> {
    if has_charset(vr) {
        charset
            .encode(text, vr)
            .map_err(|_| "the dataset's character set can't hold a character of it".to_owned())
    } else if text.is_ascii() {
        Ok(text.as_bytes().to_vec())
    } else {
        Err(format!("{} holds ASCII only", vr.to_string()))
    }
}

fn pad(mut bytes: Vec<u8>, with: u8) -> Vec<u8> {
    if bytes.len() % 2 == 1 {
        bytes.push(with);
    }
    bytes
}

fn trim(text: String, vr: VR) -> String {
    let trimmed = match vr {
        // Leading blanks are significant in long text (PS3.5 6.2).
        VR::LT | VR::ST | VR::UT => text.trim_end_matches([' ', '\0']),
        _ => text.trim_matches([' ', '\0']),
    };
    if trimmed.len() == text.len() {
        text
    } else {
        trimmed.to_owned()
    }
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let trimmed = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    std::str::from_utf8(trimmed).is_ok_and(|t| {
        !t.chars()
            .any(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t' | '\x1b'))
    })
}

fn numbers<T: std::fmt::Display, const N: usize>(
    bytes: &[u8],
    big: bool,
    be: fn([u8; N]) -> T,
    le: fn([u8; N]) -> T,
) -> String {
    let decode = if big { be } else { le };
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks
        .iter()
        .map(|b| decode(*b).to_string())
        .collect::<Vec<_>>()
        .join("\\")
}

fn number_bytes<T: std::str::FromStr, const N: usize>(
    text: &str,
    vr: VR,
    big: bool,
    be: fn(T) -> [u8; N],
    le: fn(T) -> [u8; N],
) -> Result<Vec<u8>, String> {
    let encode = if big { be } else { le };
    let mut bytes = Vec::new();
    for value in split(text, vr) {
        let number = value
            .parse()
            .map_err(|_| format!("{} takes a number in its range", vr.to_string()))?;
        bytes.extend(encode(number));
    }
    Ok(bytes)
}

fn tag_bytes(text: &str, big: bool) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for value in split(text, VR::AT) {
        let inner = value
            .strip_prefix('(')
            .and_then(|v| v.strip_suffix(')'))
            .unwrap_or(&value);
        let word = |digits: &str| {
            let plain = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            u16::from_str_radix(digits, 16).ok().filter(|_| plain)
        };
        let words = inner
            .split_once(',')
            .and_then(|(group, element)| Some([word(group)?, word(element)?]));
        for word in words.ok_or("AT takes tags such as (0010,0010)")? {
            bytes.extend(if big {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            });
        }
    }
    Ok(bytes)
}

/// Length and repertoire of one value (PS3.5 table 6.2-1), for the VRs where a reader would stumble.
fn check(value: &str, vr: VR) -> Result<(), String> {
    let most = match vr {
        VR::AE | VR::CS | VR::DS | VR::SH => 16,
        VR::AS => 4,
        VR::DA => 10,
        VR::DT => 26,
        VR::IS => 12,
        VR::TM => 16,
        VR::LO | VR::UI => 64,
        VR::ST => 1024,
        VR::LT => 10240,
        _ => usize::MAX,
    };
    let length = value.chars().count();
    if length > most {
        return Err(format!(
            "{} takes at most {most} characters, not {length}",
            vr.to_string()
        ));
    }
    if vr == VR::PN && value.split('=').any(|group| group.chars().count() > 64) {
        return Err("PN takes at most 64 characters in each component group".into());
    }
    let bytes = || value.bytes();
    let fits = match vr {
        VR::UI => bytes().all(|b| b.is_ascii_digit() || b == b'.'),
        VR::CS => {
            bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ' || b == b'_')
        }
        VR::DA => bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-'),
        VR::TM => bytes().all(|b| b.is_ascii_digit() || b".:-".contains(&b)),
        VR::DT => bytes().all(|b| b.is_ascii_digit() || b".+- ".contains(&b)),
        VR::IS => value.is_empty() || value.parse::<i32>().is_ok(),
        VR::DS => value.is_empty() || value.parse::<f64>().is_ok_and(f64::is_finite),
        VR::AS => value.is_empty() || is_age(value),
        VR::LO | VR::SH | VR::PN => !bytes().any(|b| b < 0x20 && b != 0x1B),
        _ => true,
    };
    if fits {
        Ok(())
    } else {
        Err(format!("{} takes no such characters", vr.to_string()))
    }
}

fn is_age(value: &str) -> bool {
    let (digits, unit) = value.split_at_checked(3).unwrap_or((value, ""));
    digits.bytes().all(|b| b.is_ascii_digit()) && matches!(unit, "D" | "W" | "M" | "Y")
}
