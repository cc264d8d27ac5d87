//! Which characters a set holds, and their bytes in it: the codecs are those of the WHATWG, which know more
//! than the registered sets that DICOM names, and write some characters as ASCII.

use super::{JIS_X_0212, Kind, Set};
use encoding_rs::EUC_JP;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

/// The bytes of a character that is not ASCII, in a set reached by code extensions or alone in ISO 2022; none if
/// the set doesn't hold it.
pub(super) fn encode_char(c: char, set: Set) -> Option<Vec<u8>> {
    if set.escape == JIS_X_0212 {
        return jis_x_0212().get(&c).map(|pair| pair.to_vec());
    }
    let mut buffer = [0; 4];
    let (bytes, _, lossy) = set.codec.encode(c.encode_utf8(&mut buffer));
    if lossy {
        return None;
    }
    // PS3.5 6.1.2.1 and 6.1.2.4: G1 is all above 0xA0. A byte below it would be ASCII for a reader: the yen sign
    // of JIS X 0201 a backslash, and so the end of the value (6.1.2.3).
    match (set.kind, &*bytes) {
        (Kind::Single, [0xA0..=0xFF]) if !is_of_later_edition(c, set) => Some(bytes.into_owned()),
        (Kind::Double, [row @ 0xA1..=0xFF, cell @ 0xA1..=0xFF]) => {
            holds(c, set, row - 0xA0, cell - 0xA0).then(|| bytes.into_owned())
        }
        (Kind::DoubleG0, [row @ 0xA1..=0xFF, cell @ 0xA1..=0xFF]) => {
            let held = holds(c, set, row - 0xA0, cell - 0xA0);
            held.then(|| vec![row & 0x7F, cell & 0x7F])
        }
        _ => None,
    }
}

/// What ISO 8859-7 and 8859-8 got after they were registered as ISO-IR 126 and 138.
fn is_of_later_edition(c: char, set: Set) -> bool {
    match set.escape {
        b"-F" => matches!(c, '€' | '₯' | 'ͺ'),
        b"-H" => matches!(c, '\u{200E}' | '\u{200F}'),
        _ => false,
    }
}

/// Whether a character is in the registered set of two bytes itself, by its place there.
fn holds(c: char, set: Set, row: u8, cell: u8) -> bool {
    let is_private_use = ('\u{E000}'..='\u{F8FF}').contains(&c);
    let is_in_set = match set.escape {
        // JIS X 0208; the rows between are NEC's, those behind NEC's and IBM's.
        b"$B" => matches!(row, 1..=8 | 16..=84),
        // GB 2312 (ISO-IR 58): GBK fills gaps in its rows of signs.
        b"$)A" => match (row, cell) {
            (2, 1..=10) | (6, 64..) | (8, 27..=32) => false,
            (1..=9, _) | (16..=87, _) => true,
            _ => false,
        },
        // KS X 1001; these two came in 1998, behind the set that ISO-IR 149 registers.
        b"$)C" => !matches!(c, '€' | '®'),
        _ => true,
    };
    is_in_set && !is_private_use
}

/// EUC-JP as the WHATWG defines it reads JIS X 0212 and doesn't write it: what it reads, turned around.
fn jis_x_0212() -> &'static HashMap<char, [u8; 2]> {
    static PAIRS: OnceLock<HashMap<char, [u8; 2]>> = OnceLock::new();
    const PLANE: RangeInclusive<u8> = 0x21..=0x7E;
    PAIRS.get_or_init(|| {
        let pairs = PLANE.flat_map(|row| PLANE.map(move |cell| [row, cell]));
        let read = |pair: [u8; 2]| {
            let euc = [0x8F, pair[0] | 0x80, pair[1] | 0x80];
            let text = EUC_JP.decode_without_bom_handling_and_without_replacement(&euc)?;
            Some((text.chars().next()?, pair))
        };
        pairs.filter_map(read).collect()
    })
}
