//! The forms in which an identifying value may stand somewhere else: a date written otherwise, a name with its
//! parts in another order, other case, without its accents, in the bytes of another character set.

use super::needles::Needles;
use crate::dicom::VR;
use std::collections::BTreeMap;

/// One way to write a value.
pub struct Form {
    /// Ascii letters are compared whatever their case.
    pub bytes: Vec<u8>,
    pub kind: &'static str,
    /// In bytes of one text: what stands beside it counts.
    has_neighbours: bool,
}

/// Latin letters of a name: shorter parts stand in too many words.
const SHORTEST_PART: usize = 4;
/// Of two parts together.
const SHORTEST_PAIR: usize = 5;
/// Of a line of an address, or of a comment.
const SHORTEST_LINE: usize = 8;
/// Numbers that are shorter are parts of UIDs.
const SHORTEST_IN_UID: usize = 6;
const SHORTEST_ID: usize = 4;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Those of Specific Character Set (PS3.3 C.12.1.1.2) that have bytes of their own, as others call them.
static ENCODINGS: [&encoding_rs::Encoding; 9] = [
    encoding_rs::WINDOWS_1252,
    encoding_rs::ISO_8859_2,
    encoding_rs::ISO_8859_5,
    encoding_rs::ISO_8859_7,
    encoding_rs::SHIFT_JIS,
    encoding_rs::EUC_JP,
    encoding_rs::ISO_2022_JP,
    encoding_rs::EUC_KR,
    encoding_rs::GB18030,
];

/// All forms of all values, each once.
pub fn of(needles: &Needles) -> Vec<Form> {
    let mut texts: BTreeMap<String, &'static str> = BTreeMap::new();
    for (text, kind) in needles {
        let written = match *kind {
            "name" => names(text),
            "birth-date" => dates(text),
            "patient-id" | "accession" | "parameter" => numbers(text, SHORTEST_ID),
            "telephone" => numbers(text, 7),
            "address" => lines(text, &[',', '\r', '\n', '^']),
            "free-text" => lines(text, &['\r', '\n']),
            _ => vec![text.clone()],
        };
        for form in written {
            for spelt in spellings(&form) {
                texts.entry(spelt).or_insert(kind);
            }
        }
    }
    let mut forms = BTreeMap::new();
    for (text, kind) in &texts {
        for (bytes, has_neighbours) in in_bytes(text) {
            forms.entry(bytes).or_insert((*kind, has_neighbours));
        }
    }
    let form = |(bytes, (kind, has_neighbours))| Form {
        bytes,
        kind,
        has_neighbours,
    };
    forms.into_iter().map(form).collect()
}

/// The parts of a person's name (PS3.5 6.2.1), and family and given name beside each other, in both orders.
fn names(text: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for group in text.split('=') {
        let components: Vec<&str> = group.split('^').map(str::trim).collect();
        for component in &components {
            let words = component.split([' ', ',', '-', '.']);
            let parts = words.chain([*component]);
            forms.extend(
                parts
                    .filter(|part| is_long(part, SHORTEST_PART))
                    .map(str::to_owned),
            );
        }
        let [family, given, ..] = components[..] else {
            continue;
        };
        let firsts = [given, given.split([' ', '-']).next().unwrap_or(given)];
        for first in firsts {
            if family.is_empty()
                || first.is_empty()
                || !is_long(&format!("{family}{first}"), SHORTEST_PAIR)
            {
                continue;
            }
            for between in ["", " ", "^", "_", "-", ".", ",", ", "] {
                forms.push(format!("{family}{between}{first}"));
                forms.push(format!("{first}{between}{family}"));
            }
        }
    }
    forms
}

/// A letter of Chinese, Japanese or Korean tells as much as three of the Latin ones.
fn is_long(text: &str, shortest: usize) -> bool {
    let weight = |c: char| if c >= '\u{1100}' { 3 } else { 1 };
    text.chars().map(weight).sum::<usize>() >= shortest
}

/// A date as people and systems write it.
fn dates(text: &str) -> Vec<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let month = digits
        .get(4..6)
        .and_then(|month| month.parse::<usize>().ok());
    let name = month.and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let (Some(name), 8) = (name, digits.len()) else {
        return vec![text.to_owned()];
    };
    let (y, m, d) = (&digits[..4], &digits[4..6], &digits[6..]);
    let (short_m, short_d) = (m.trim_start_matches('0'), d.trim_start_matches('0'));
    let mut forms = vec![digits.clone(), format!("{d}{m}{y}"), format!("{m}{d}{y}")];
    for between in ["-", "/", ".", " "] {
        for (m, d) in [(m, d), (short_m, short_d)] {
            for parts in [[y, m, d], [d, m, y], [m, d, y]] {
                forms.push(parts.join(between));
            }
        }
    }
    for name in [*name, &name[..3]] {
        for d in [d, short_d] {
            for between in [" ", "-", ""] {
                forms.push(format!("{d}{between}{name}{between}{y}"));
            }
            forms.push(format!("{d}. {name} {y}"));
            forms.push(format!("{name} {d}, {y}"));
            forms.push(format!("{name} {d} {y}"));
        }
    }
    forms
}

/// An ID as it is, as a label would have it, without what sets its parts apart.
fn numbers(text: &str, shortest: usize) -> Vec<String> {
    let label = |c: char| {
        if c.is_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    let forms = [
        text.to_owned(),
        text.chars().map(label).collect(),
        text.chars().filter(|c| c.is_alphanumeric()).collect(),
    ];
    forms
        .into_iter()
        .filter(|form| form.len() >= shortest)
        .collect()
}

/// The whole, and each line or part of it.
fn lines(text: &str, ends: &[char]) -> Vec<String> {
    let whole = text
        .split(['\r', '\n'])
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ");
    let lines = text.split(ends).map(|line| line.trim().to_owned());
    lines
        .chain([text.to_owned(), whole])
        .filter(|line| line.len() >= SHORTEST_LINE && line.chars().any(char::is_alphabetic))
        .collect()
}

/// In lower case; without accents, as systems write names that can't keep them.
fn spellings(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut spellings = vec![lower.clone()];
    for german in [true, false] {
        let folded: String = lower
            .chars()
            .map(|c| folded(c, german).unwrap_or(c.to_string()))
            .collect();
        if !spellings.contains(&folded) {
            spellings.push(folded);
        }
    }
    spellings
}

/// A letter of Latin-1 or Latin-2 in Ascii; German umlauts with an e or without.
fn folded(c: char, german: bool) -> Option<String> {
    let to = match c {
        'ä' if german => "ae",
        'ö' | 'ø' if german => "oe",
        'ü' if german => "ue",
        'ß' => "ss",
        'æ' => "ae",
        'å' if german => "aa",
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ě' | 'ę' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ł' | 'ľ' | 'ĺ' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' => "o",
        'ř' | 'ŕ' => "r",
        'ś' | 'š' | 'ş' => "s",
        'ť' | 'ţ' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ů' | 'ű' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    };
    Some(to.to_owned())
}

/// The text's bytes in UTF-8, in the character sets that can hold it, and in two bytes a letter as Windows programs
/// keep it; whether what stands beside it in these can be told.
fn in_bytes(text: &str) -> Vec<(Vec<u8>, bool)> {
    let mut all = vec![(text.as_bytes().to_vec(), true)];
    let mut cases = vec![text.to_owned()];
    if !text.is_ascii() {
        let mut capital = true;
        let words = text.chars().map(|c| {
            let upper = std::mem::replace(&mut capital, !c.is_alphabetic());
            if upper {
                c.to_uppercase().to_string()
            } else {
                c.to_string()
            }
        });
        cases.extend([text.to_uppercase(), words.collect()]);
        all.extend(cases.iter().map(|case| (case.as_bytes().to_vec(), true)));
        for encoding in ENCODINGS {
            for case in &cases {
                let (bytes, _, failed) = encoding.encode(case);
                // The switch back to Ascii need not follow at once.
                let bytes = bytes.strip_suffix(b"\x1b(B").unwrap_or(&bytes);
                if !failed {
                    all.push((bytes.to_vec(), false));
                }
            }
        }
    }
    for case in &cases {
        let wide = case.encode_utf16().flat_map(u16::to_le_bytes);
        all.push((wide.collect(), false));
    }
    all
}

/// With nothing between digits that stand apart, as in telephone numbers; none if none do.
pub fn digits_closed_up(text: &str) -> Option<String> {
    let mut closed = String::with_capacity(text.len());
    let mut apart = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            // Between two digits there is nothing now.
            if !closed.ends_with(|last: char| last.is_ascii_digit()) {
                closed.push_str(&apart);
            }
            apart.clear();
            closed.push(c);
        } else if " -/().+".contains(c) {
            apart.push(c);
        } else {
            closed.push_str(&apart);
            apart.clear();
            closed.push(c);
        }
    }
    (closed.len() + apart.len() < text.len()).then_some(closed)
}

impl Form {
    /// Whether it is not a part of a longer word or number: "Mark" is not in "Marker", 4711 not in 147110.
    pub fn stands_alone(&self, text: &[u8], start: usize, end: usize, vr: VR) -> bool {
        if !self.has_neighbours {
            return true;
        }
        let is_number = self.bytes.iter().all(u8::is_ascii_digit);
        let before = start.checked_sub(1).map(|at| text[at]);
        let after = text.get(end).copied();
        if is_number && matches!(vr, VR::DS | VR::IS | VR::TM | VR::AS) {
            let ends = |byte: Option<u8>| byte.is_none_or(|byte| b"\\ \0".contains(&byte));
            return ends(before) && ends(after);
        }
        if is_number && vr == VR::UI && self.bytes.len() < SHORTEST_IN_UID {
            return false;
        }
        // A time follows a date at once (PS3.5 6.2).
        let goes_on = vr == VR::DT && self.kind == "birth-date";
        !runs_on(self.bytes.first(), before) && (goes_on || !runs_on(self.bytes.last(), after))
    }
}

/// Whether two neighbours are of one word or number.
fn runs_on(own: Option<&u8>, other: Option<u8>) -> bool {
    let (Some(own), Some(other)) = (own, other) else {
        return false;
    };
    match own {
        byte if byte.is_ascii_digit() => other.is_ascii_digit(),
        byte if byte.is_ascii_alphabetic() => other.is_ascii_alphabetic(),
        _ => false,
    }
}
