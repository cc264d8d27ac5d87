//! A study and the patient it belongs to: the part of a header that identifies someone.
//!
//! Everybody here is made up. The names are given in the bytes of the character set that the header declares;
//! the Japanese and Korean ones are the standard's own examples.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::Kind;
use super::header::{Header, Lengths, code};
use super::private;
use super::random::{Random, uid};

// Retired from the standard, and still in the files of scanners.
const OTHER_PATIENT_IDS: Tag = Tag(0x0010, 0x1000);
const MEDICAL_RECORD_LOCATOR: Tag = Tag(0x0010, 0x1090);
const ETHNIC_GROUP: Tag = Tag(0x0010, 0x2160);

/// Names as they stand in a file: the character set, and text encoded in it.
struct Names {
    character_set: &'static str,
    patient: &'static [u8],
    physician: &'static [u8],
    institution: &'static [u8],
}

const NAMES: [Names; 8] = [
    Names {
        character_set: "ISO_IR 100",
        patient: b"M\xfcller^J\xfcrgen^^Dr.",
        physician: b"Gr\xfcnwald^\xc9lodie",
        institution: b"Universit\xe4tsklinikum K\xf6ln",
    },
    Names {
        character_set: "ISO_IR 192",
        patient: "Nguyễn^Thị Hương".as_bytes(),
        physician: "Öztürk^Çağla".as_bytes(),
        institution: "Bệnh viện Chợ Rẫy".as_bytes(),
    },
    // PS3.5 H.3.1: code extensions by escape sequence, ASCII outside them.
    Names {
        character_set: "\\ISO 2022 IR 87",
        patient: b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        physician: b"Suzuki^Hanako=\x1b$BNkLZ\x1b(B^\x1b$B2V;R\x1b(B",
        institution: b"TOKYO GENERAL HOSPITAL",
    },
    // PS3.5 I.2: the Korean set is designated anew in each component group and component.
    Names {
        character_set: "\\ISO 2022 IR 149",
        patient: b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        physician: b"Kim^Minsu=\x1b$)C\xd1\xd1^\x1b$)C\xda\xc5\xe2\xb3",
        institution: b"SEOUL HOSPITAL",
    },
    Names {
        character_set: "ISO_IR 144",
        patient: b"\xbb\xee\xda\xe1\xd5\xdc\xd1\xe3\xe0\xd3^\xb8\xd2\xd0\xdd",
        physician: b"\xbf\xd5\xe2\xe0\xde\xd2^\xc1\xd5\xe0\xd3\xd5\xd9",
        institution: b"\xb3\xde\xe0\xde\xd4\xe1\xda\xd0\xef \xd1\xde\xdb\xec\xdd\xd8\xe6\xd0",
    },
    Names {
        character_set: "",
        patient: b"SMITH^JOHN^Q^MR^JR",
        physician: b"HOUSE^GREGORY^^DR",
        institution: b"PRINCETON PLAINSBORO",
    },
    Names {
        character_set: "GB18030",
        patient: b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab",
        physician: b"Zhang^Wei=\xd5\xc5^\xce\xb0",
        institution: b"\xb1\xb1\xbe\xa9\xd0\xad\xba\xcd\xd2\xbd\xd4\xba",
    },
    Names {
        character_set: "ISO_IR 126",
        patient: b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2",
        physician: b"\xd0\xe1\xf0\xe1\xe4\xfc\xf0\xef\xf5\xeb\xef\xf2^\xcd\xdf\xea\xef\xf2",
        institution: b"\xc5\xd5\xc1\xc3\xc3\xc5\xcb\xc9\xd3\xcc\xcf\xd3",
    },
];

/// One study: what all its instances have in common.
pub(super) struct Study {
    pub(super) kind: Kind,
    pub(super) seed: u64,
    pub(super) number: u32,
    pub(super) patient_id: String,
    pub(super) date: String,
    pub(super) header: Header,
}

impl Study {
    pub(super) fn new(kind: Kind, seed: u64, number: u32) -> Self {
        let mut random = Random::new(seed, &format!("study {kind:?} {number}"));
        let names = &NAMES[number as usize % NAMES.len()];
        let patient_id = format!("MRN{:07}", random.between(0, 10_000_000));
        let date = format!(
            "20{:02}{:02}{:02}",
            random.between(10, 26),
            random.between(1, 13),
            random.between(1, 29)
        );
        let mut study = Study {
            kind,
            seed,
            number,
            patient_id,
            date,
            header: Header::new(),
        };
        study.character_set(names);
        study.patient(names, &mut random);
        study.visit(names, &mut random);
        study.sequences(names);
        let identifying = format!("{} SMITH^JOHN {}", study.patient_id, study.date);
        private::add(&mut study.header, kind, &mut random, &identifying);
        study
    }

    /// A UID of this study, different for each `what`.
    pub(super) fn uid(&self, what: &str) -> String {
        uid(
            self.seed,
            &format!("{:?} {} {what}", self.kind, self.number),
        )
    }

    fn character_set(&mut self, names: &Names) {
        if !names.character_set.is_empty() {
            self.header
                .text(tags::SPECIFIC_CHARACTER_SET, names.character_set);
        }
    }

    fn patient(&mut self, names: &Names, random: &mut Random) {
        let id = &self.patient_id;
        let born = format!(
            "19{:02}0{}1{}",
            random.between(30, 99),
            random.between(1, 10),
            random.between(0, 10)
        );
        let header = &mut self.header;
        header
            .text(tags::PATIENT_NAME, names.patient)
            .text(tags::PATIENT_BIRTH_NAME, names.patient)
            .text(tags::OTHER_PATIENT_NAMES, names.patient)
            .text(tags::PATIENT_MOTHER_BIRTH_NAME, names.patient)
            .text(tags::PATIENT_ID, id)
            .text(OTHER_PATIENT_IDS, format!("{id}X\\OLD{id}"))
            .text(tags::PATIENT_BIRTH_DATE, born)
            .text(tags::PATIENT_AGE, format!("{:03}Y", random.between(20, 90)))
            .text(
                tags::PATIENT_SEX,
                if self.number.is_multiple_of(2) {
                    "M"
                } else {
                    "F"
                },
            )
            .text(
                tags::ADDITIONAL_PATIENT_HISTORY,
                format!("Pt {id} fell on {}; wife Mary phoned", self.date),
            )
            .text(
                tags::PATIENT_COMMENTS,
                format!("Call Dr. House re {id} before {}", self.date),
            )
            .texts(&[
                (tags::ISSUER_OF_PATIENT_ID, "HOSP_A"),
                (tags::PATIENT_SIZE, "1.75"),
                (tags::PATIENT_WEIGHT, "78.5"),
                (tags::PATIENT_ADDRESS, "12 Elm Street"),
                (tags::PATIENT_TELEPHONE_NUMBERS, "555-0199"),
                (ETHNIC_GROUP, "UNKNOWN"),
                (tags::OCCUPATION, "TEACHER"),
                (MEDICAL_RECORD_LOCATOR, "SHELF 9"),
                (tags::SMOKING_STATUS, "UNKNOWN"),
                (tags::MILITARY_RANK, ""),
            ])
            .numbers(tags::PREGNANCY_STATUS, &[4]);
    }

    fn visit(&mut self, names: &Names, random: &mut Random) {
        let time = format!(
            "{:02}{:02}{:02}.{:06}",
            random.between(7, 19),
            random.between(0, 60),
            random.between(0, 60),
            random.between(0, 1_000_000)
        );
        let (study_uid, frame_uid) = (self.uid("study"), self.uid("frame of reference"));
        let mr = self.kind == Kind::Mr;
        let description = if mr {
            "MRI BRAIN W/O"
        } else {
            "CT THORAX/ABDOMEN"
        };
        let header = &mut self.header;
        for tag in [
            tags::STUDY_DATE,
            tags::SERIES_DATE,
            tags::ACQUISITION_DATE,
            tags::CONTENT_DATE,
        ] {
            header.text(tag, &self.date);
        }
        for tag in [
            tags::STUDY_TIME,
            tags::SERIES_TIME,
            tags::ACQUISITION_TIME,
            tags::CONTENT_TIME,
        ] {
            header.text(tag, &time);
        }
        for tag in [
            tags::REFERRING_PHYSICIAN_NAME,
            tags::PHYSICIANS_OF_RECORD,
            tags::PERFORMING_PHYSICIAN_NAME,
            tags::NAME_OF_PHYSICIANS_READING_STUDY,
            tags::REQUESTING_PHYSICIAN,
        ] {
            header.text(tag, names.physician);
        }
        for tag in [
            tags::STUDY_DESCRIPTION,
            tags::REQUESTED_PROCEDURE_DESCRIPTION,
            tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION,
        ] {
            header.text(tag, description);
        }
        header
            .text(tags::STUDY_INSTANCE_UID, study_uid)
            .text(tags::FRAME_OF_REFERENCE_UID, frame_uid)
            .text(tags::STUDY_ID, random.between(1, 10_000).to_string())
            .text(
                tags::ACCESSION_NUMBER,
                format!("ACC{:08}", random.between(0, 100_000_000)),
            )
            .text(tags::INSTITUTION_NAME, names.institution)
            .text(tags::PERFORMED_PROCEDURE_STEP_START_DATE, &self.date)
            .text(tags::PERFORMED_PROCEDURE_STEP_START_TIME, &time)
            .text(
                tags::PERFORMED_PROCEDURE_STEP_ID,
                format!("PPS{}", self.patient_id),
            )
            .text(tags::ADMISSION_ID, format!("ADM{}", self.patient_id))
            .text(tags::STATION_NAME, format!("SCANNER{}", self.number % 5))
            .text(
                tags::MANUFACTURER_MODEL_NAME,
                if mr { "Prisma_fit" } else { "SOMATOM Force" },
            )
            .text(tags::BODY_PART_EXAMINED, if mr { "BRAIN" } else { "CHEST" })
            .texts(&[
                (tags::MANUFACTURER, "SIEMENS"),
                (tags::INSTITUTION_ADDRESS, "1 Main Street, 50937"),
                (
                    tags::REFERRING_PHYSICIAN_TELEPHONE_NUMBERS,
                    "+49 221 555-0100",
                ),
                (tags::INSTITUTIONAL_DEPARTMENT_NAME, "Radiology"),
                (tags::OPERATORS_NAME, "TECH^ANNA"),
                (tags::DEVICE_SERIAL_NUMBER, "65432"),
                (tags::SOFTWARE_VERSIONS, "syngo CT VA40A\\VB20A_P2"),
                (tags::PATIENT_POSITION, "HFS"),
                (tags::POSITION_REFERENCE_INDICATOR, ""),
                (tags::CURRENT_PATIENT_LOCATION, "WARD 5 BED 2"),
            ]);
    }

    fn sequences(&mut self, names: &Names) {
        let id = &self.patient_id;
        let mut other = Header::new();
        other.text(tags::PATIENT_ID, format!("{id}-ALT")).texts(&[
            (tags::TYPE_OF_PATIENT_ID, "TEXT"),
            (tags::ISSUER_OF_PATIENT_ID, "HOSP_B"),
        ]);
        let mut referenced = Header::new();
        referenced
            .text(tags::REFERENCED_SOP_CLASS_UID, "1.2.840.10008.3.1.2.3.1")
            .text(
                tags::REFERENCED_SOP_INSTANCE_UID,
                self.uid("referenced study"),
            );
        let mut request = Header::new();
        request
            .text(tags::REQUESTED_PROCEDURE_ID, format!("RP{id}"))
            .text(tags::SCHEDULED_PROCEDURE_STEP_ID, "SPS1")
            .sequence(
                tags::SCHEDULED_PROTOCOL_CODE_SEQUENCE,
                Lengths::Undefined,
                vec![code("CT.THX", "99LOCAL", "Thorax routine")],
            );
        let mut operator = Header::new();
        operator
            .text(tags::INSTITUTION_NAME, names.institution)
            .sequence(
                tags::PERSON_IDENTIFICATION_CODE_SEQUENCE,
                Lengths::Defined,
                vec![code("P123", "99STAFF", "TECH^ANNA")],
            );
        self.header
            .sequence(
                tags::OTHER_PATIENT_I_DS_SEQUENCE,
                Lengths::Undefined,
                vec![other],
            )
            .sequence(
                tags::REFERENCED_STUDY_SEQUENCE,
                Lengths::Defined,
                vec![referenced],
            )
            .sequence(
                tags::REQUEST_ATTRIBUTES_SEQUENCE,
                Lengths::Undefined,
                vec![request],
            )
            .sequence(
                tags::OPERATOR_IDENTIFICATION_SEQUENCE,
                Lengths::Defined,
                vec![operator],
            )
            .sequence(
                tags::PROCEDURE_CODE_SEQUENCE,
                Lengths::Defined,
                vec![
                    code("24627-2", "LN", "CT Chest"),
                    code("CT.THX", "99LOCAL", "Thorax routine"),
                ],
            )
            .sequence(
                tags::ANATOMIC_REGION_SEQUENCE,
                Lengths::Undefined,
                vec![code("51185008", "SCT", "Chest")],
            )
            .sequence(
                tags::REFERENCED_PATIENT_SEQUENCE,
                Lengths::Defined,
                Vec::new(),
            );
    }
}
