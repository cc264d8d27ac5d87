//! Patients as headers name them, in several scripts, with what else is said of each.

pub struct Patient {
    /// As in PatientName, its alphabetic group first.
    pub name: &'static str,
    pub family: &'static str,
    pub given: &'static str,
    /// The family's name without accents; none if it has none.
    pub plain: Option<&'static str>,
    /// A character set that can hold the name, other than UTF-8, and Ascii.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    pub id: &'static str,
    pub born: [&'static str; 3],
    pub accession: &'static str,
}

pub const PATIENTS: [Patient; 8] = [
    Patient {
        name: "Miller^Jonathan",
        family: "Miller",
        given: "Jonathan",
        plain: None,
        encoding: None,
        id: "4711008",
        born: ["1950", "01", "31"],
        accession: "ACC-2024-0017",
    },
    Patient {
        name: "Müller^Jürgen",
        family: "Müller",
        given: "Jürgen",
        plain: Some("Mueller"),
        encoding: Some(encoding_rs::WINDOWS_1252),
        id: "PAT00815",
        born: ["1961", "12", "05"],
        accession: "88412903",
    },
    Patient {
        name: "Łukaszewski^Józef",
        family: "Łukaszewski",
        given: "Józef",
        plain: Some("Lukaszewski"),
        encoding: Some(encoding_rs::ISO_8859_2),
        id: "82.33.91-A",
        born: ["1988", "07", "09"],
        accession: "R2231/19",
    },
    Patient {
        name: "Иванов^Сергей",
        family: "Иванов",
        given: "Сергей",
        plain: None,
        encoding: Some(encoding_rs::ISO_8859_5),
        id: "MRN-552017",
        born: ["1947", "11", "23"],
        accession: "A0099812",
    },
    Patient {
        name: "Yamada^Tarou=山田^太郎=やまだ^たろう",
        family: "山田",
        given: "太郎",
        plain: None,
        encoding: Some(encoding_rs::SHIFT_JIS),
        id: "0012345678",
        born: ["1975", "03", "18"],
        accession: "20240117-44",
    },
    Patient {
        name: "Kim^Minsu=김^민수",
        family: "김",
        given: "민수",
        plain: None,
        encoding: Some(encoding_rs::EUC_KR),
        id: "K9077120",
        born: ["1990", "10", "02"],
        accession: "55120031",
    },
    Patient {
        name: "O'Connor-Smith^Mary Ann",
        family: "O'Connor-Smith",
        given: "Mary",
        plain: None,
        encoding: None,
        id: "S-1002-77",
        born: ["2003", "05", "14"],
        accession: "X7719",
    },
    Patient {
        name: "Li^Wei",
        family: "Li",
        given: "Wei",
        plain: None,
        encoding: None,
        id: "998877",
        born: ["1969", "08", "30"],
        accession: "77120044",
    },
];

pub const ADDRESS: &str = "17 Willow Lane, Springfield";
pub const TELEPHONE: &str = "+49 30 1234-5678";
pub const COMMENT: &str = "Transferred from St. Mary's ward 4\r\nLives with her sister in Ashford";
pub const FOLDER: &str = "case_willowbrook";

impl Patient {
    pub fn born(&self) -> String {
        self.born.concat()
    }

    /// In the written order of the name's script.
    pub fn in_text(&self) -> String {
        match self.name.is_ascii() || self.encoding != Some(encoding_rs::SHIFT_JIS) {
            true => format!("{} {}", self.given, self.family),
            false => format!("{}{}", self.family, self.given),
        }
    }
}
