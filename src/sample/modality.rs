//! A series: the technical part of a header, as CT and MR scanners fill it, and what changes from slice to slice.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};

use super::header::{Header, Lengths, code};
use super::patient::Study;
use super::{Corpus, Kind};

/// What the first series of a study is called, and so on.
const DESCRIPTIONS: [&str; 5] = [
    "Topo",
    "THX 5.0 B31f",
    "ABD 1.0 I30",
    "Lung 1.0 B70",
    "COR MPR",
];

/// A header for one series, edited in place for each of its slices.
pub(super) struct Series<'a> {
    study: &'a Study,
    number: u32,
    header: Header,
}

impl<'a> Series<'a> {
    pub(super) fn new(corpus: &Corpus, study: &'a Study, number: u32) -> Self {
        let mut series = Series {
            study,
            number,
            header: study.header.clone(),
        };
        series.image(corpus);
        match corpus.kind {
            Kind::Mr => series.mr(),
            Kind::Ct | Kind::Tiny | Kind::Enhanced => series.ct(),
        }
        series.references();
        series
    }

    /// The header of the slice `index`.
    pub(super) fn slice(&mut self, index: u32) -> &Header {
        let position = f64::from(index) * 1.5 - 200.0;
        self.header
            .text(
                tags::SOP_INSTANCE_UID,
                self.study.uid(&format!("instance {} {index}", self.number)),
            )
            .text(tags::INSTANCE_NUMBER, (index + 1).to_string())
            .text(
                tags::IMAGE_POSITION_PATIENT,
                format!("-190.0\\-190.0\\{position:.1}"),
            )
            .text(tags::SLICE_LOCATION, format!("{position:.1}"))
            .text(
                tags::ACQUISITION_TIME,
                format!(
                    "10{:02}{:02}.{:06}",
                    index / 60 % 60,
                    index % 60,
                    index * 7 % 1_000_000
                ),
            )
            .text(
                tags::IMAGE_COMMENTS,
                format!("slice {} of {}", index + 1, self.study.patient_id),
            );
        &self.header
    }

    /// The header of one multi-frame instance (PS3.3 A.38) of `frames` frames.
    pub(super) fn enhanced(&mut self, frames: u32) -> &Header {
        for tag in [
            tags::PIXEL_SPACING,
            tags::SLICE_THICKNESS,
            tags::IMAGE_ORIENTATION_PATIENT,
            tags::WINDOW_CENTER,
        ] {
            self.header.0.remove_element(tag);
        }
        let mut measures = Header::new();
        measures.texts(&[
            (tags::PIXEL_SPACING, "0.742\\0.742"),
            (tags::SLICE_THICKNESS, "1.0"),
        ]);
        let mut orientation = Header::new();
        orientation.text(tags::IMAGE_ORIENTATION_PATIENT, "1\\0\\0\\0\\1\\0");
        let mut shared = Header::new();
        shared
            .sequence(
                tags::PIXEL_MEASURES_SEQUENCE,
                Lengths::Defined,
                vec![measures],
            )
            .sequence(
                tags::PLANE_ORIENTATION_SEQUENCE,
                Lengths::Undefined,
                vec![orientation],
            );
        let per_frame = (0..frames).map(|frame| self.frame(frame)).collect();
        self.header
            .text(tags::SOP_CLASS_UID, uids::ENHANCED_CT_IMAGE_STORAGE)
            .text(
                tags::SOP_INSTANCE_UID,
                self.study.uid(&format!("instance {}", self.number)),
            )
            .text(tags::INSTANCE_NUMBER, "1")
            .text(tags::NUMBER_OF_FRAMES, frames.to_string())
            .sequence(
                tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
                Lengths::Undefined,
                vec![shared],
            )
            .sequence(
                tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
                Lengths::Undefined,
                per_frame,
            );
        &self.header
    }

    fn frame(&self, index: u32) -> Header {
        let mut content = Header::new();
        content
            .text(
                tags::FRAME_ACQUISITION_DATE_TIME,
                format!("{}100000.{index:06}", self.study.date),
            )
            .text(
                tags::FRAME_COMMENTS,
                format!("frame {} of {}", index + 1, self.study.patient_id),
            );
        let mut position = Header::new();
        position.text(
            tags::IMAGE_POSITION_PATIENT,
            format!("-190.0\\-190.0\\{index}"),
        );
        let mut vendor = Header::new();
        vendor
            .private_creator(0x0021, 0x10, "SIEMENS MR SDI 02")
            .private(
                0x0021,
                0x10,
                0x01,
                VR::LO,
                format!("{} frame {index}", self.study.patient_id),
            );
        let mut frame = Header::new();
        frame
            .sequence(
                tags::FRAME_CONTENT_SEQUENCE,
                Lengths::Undefined,
                vec![content],
            )
            .sequence(
                tags::PLANE_POSITION_SEQUENCE,
                Lengths::Defined,
                vec![position],
            )
            .private_creator(0x0021, 0x10, "SIEMENS MR SDI 02")
            .sequence(Tag(0x0021, 0x10fe), Lengths::Undefined, vec![vendor]);
        frame
    }

    fn image(&mut self, corpus: &Corpus) {
        let number = self.number as usize;
        self.header
            .text(
                tags::SERIES_INSTANCE_UID,
                self.study.uid(&format!("series {number}")),
            )
            .text(tags::SERIES_NUMBER, (number + 1).to_string())
            .text(tags::ACQUISITION_NUMBER, (number + 1).to_string())
            .text(
                tags::SERIES_DESCRIPTION,
                DESCRIPTIONS[number % DESCRIPTIONS.len()],
            )
            .text(
                tags::IMAGE_TYPE,
                format!("ORIGINAL\\PRIMARY\\AXIAL\\SOM{}", number % 3),
            )
            .numbers(tags::ROWS, &[corpus.rows])
            .numbers(tags::COLUMNS, &[corpus.columns])
            .numbers(tags::SAMPLES_PER_PIXEL, &[1])
            .numbers(tags::BITS_ALLOCATED, &[16])
            .numbers(tags::BITS_STORED, &[12])
            .numbers(tags::HIGH_BIT, &[11])
            .numbers(tags::PIXEL_REPRESENTATION, &[0])
            .numbers(tags::SMALLEST_IMAGE_PIXEL_VALUE, &[0])
            .numbers(tags::LARGEST_IMAGE_PIXEL_VALUE, &[4095])
            .texts(&[
                (tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2"),
                (tags::PIXEL_SPACING, "0.7421875\\0.7421875"),
                (tags::SLICE_THICKNESS, "1.0"),
                (tags::WINDOW_CENTER, "40\\-600"),
                (tags::WINDOW_WIDTH, "400\\1200"),
                (tags::WINDOW_CENTER_WIDTH_EXPLANATION, "WINDOW1\\WINDOW2"),
                (tags::IMAGE_ORIENTATION_PATIENT, "1\\0\\0\\0\\1\\0"),
                (tags::LOSSY_IMAGE_COMPRESSION, "00"),
                (tags::BURNED_IN_ANNOTATION, "NO"),
                (tags::LATERALITY, ""),
                (tags::PROTOCOL_NAME, "01_Routine"),
                (tags::DATE_OF_LAST_CALIBRATION, "20200101"),
                (tags::TIME_OF_LAST_CALIBRATION, "070000"),
            ]);
    }

    fn ct(&mut self) {
        self.header
            .text(tags::SOP_CLASS_UID, uids::CT_IMAGE_STORAGE)
            .double(tags::SINGLE_COLLIMATION_WIDTH, 0.6)
            .double(tags::TOTAL_COLLIMATION_WIDTH, 38.4)
            .double(tags::SPIRAL_PITCH_FACTOR, 0.6)
            .double(tags::CTD_IVOL, 7.4)
            .texts(&[
                (tags::MODALITY, "CT"),
                (tags::RESCALE_INTERCEPT, "-1024"),
                (tags::RESCALE_SLOPE, "1"),
                (tags::RESCALE_TYPE, "HU"),
                (tags::SCAN_OPTIONS, "SPIRAL"),
                (tags::KVP, "120"),
                (tags::DATA_COLLECTION_DIAMETER, "500"),
                (tags::RECONSTRUCTION_DIAMETER, "380"),
                (tags::GANTRY_DETECTOR_TILT, "0"),
                (tags::TABLE_HEIGHT, "155"),
                (tags::ROTATION_DIRECTION, "CW"),
                (tags::EXPOSURE_TIME, "500"),
                (tags::X_RAY_TUBE_CURRENT, "220"),
                (tags::EXPOSURE, "110"),
                (tags::FILTER_TYPE, "FLAT"),
                (tags::FOCAL_SPOTS, "1.2"),
                (tags::CONVOLUTION_KERNEL, "I30f\\2"),
                (tags::EXPOSURE_MODULATION_TYPE, "XYZ_EC"),
            ])
            .sequence(
                tags::CTDI_PHANTOM_TYPE_CODE_SEQUENCE,
                Lengths::Undefined,
                vec![code("113691", "DCM", "IEC Body Dosimetry Phantom")],
            );
    }

    fn mr(&mut self) {
        self.header
            .text(tags::SOP_CLASS_UID, uids::MR_IMAGE_STORAGE)
            .numbers(tags::ACQUISITION_MATRIX, &[0, 128, 128, 0])
            .texts(&[
                (tags::MODALITY, "MR"),
                (tags::SCANNING_SEQUENCE, "SE\\EP"),
                (tags::SEQUENCE_VARIANT, "SK"),
                (tags::SCAN_OPTIONS, "PFP\\FS"),
                (tags::MR_ACQUISITION_TYPE, "2D"),
                (tags::SEQUENCE_NAME, "ep2d_diff"),
                (tags::REPETITION_TIME, "2500"),
                (tags::ECHO_TIME, "62"),
                (tags::NUMBER_OF_AVERAGES, "1"),
                (tags::IMAGING_FREQUENCY, "123.25"),
                (tags::IMAGED_NUCLEUS, "1H"),
                (tags::ECHO_NUMBERS, "1"),
                (tags::MAGNETIC_FIELD_STRENGTH, "3"),
                (tags::SPACING_BETWEEN_SLICES, "1.2"),
                (tags::ECHO_TRAIN_LENGTH, "32"),
                (tags::PIXEL_BANDWIDTH, "1500"),
                (tags::TRANSMIT_COIL_NAME, "Body"),
                (tags::FLIP_ANGLE, "90"),
                (tags::IN_PLANE_PHASE_ENCODING_DIRECTION, "COL"),
                (tags::SAR, "0.1"),
            ]);
    }

    fn references(&mut self) {
        let items: Vec<_> = (0..3)
            .map(|index| {
                let mut item = Header::new();
                item.text(tags::REFERENCED_SOP_CLASS_UID, uids::CT_IMAGE_STORAGE)
                    .text(
                        tags::REFERENCED_SOP_INSTANCE_UID,
                        self.study.uid(&format!("instance 0 {index}")),
                    );
                item
            })
            .collect();
        self.header
            .sequence(
                tags::SOURCE_IMAGE_SEQUENCE,
                Lengths::Defined,
                items[..2].to_vec(),
            )
            .sequence(tags::REFERENCED_IMAGE_SEQUENCE, Lengths::Undefined, items);
    }
}
