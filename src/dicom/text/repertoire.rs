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
        (Kind::Single, [0xA0..=0xFF]) | (Kind::Double, [0xA1..=0xFF, 0xA1..=0xFF]) => {
            Some(bytes.into_owned())
        }
        (Kind::DoubleG0, [a, b]) if *a != 0x8E => Some(vec![a & 0x7F, b & 0x7F]),
        (Kind::Whole, _) => Some(bytes.into_owned()),
        _ => None,
    }
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
