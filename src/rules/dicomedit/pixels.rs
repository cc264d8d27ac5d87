//! `alterPixels`, and the items of (0012,0064) that tell what was done.

use super::interpreter::{Run, Step};
use super::parser;
use super::value::Value;
use crate::dicom::Region;

/// An item of De-identification Method Code Sequence (0012,0064), PS3.3 C.7.1.1.
pub struct Code {
    pub value: String,
    pub scheme: &'static str,
    pub version: Option<&'static str>,
    pub meaning: &'static str,
}

impl Run<'_> {
    /// Makes a rectangle black, whatever the fill says, as XNAT's own handler does.
    pub(super) fn alter_pixels(&mut self, arguments: &[Value]) -> Step<()> {
        const NAME: &str = "alterPixels";
        let shape = self.needed(NAME, &arguments[0])?;
        let sides = self.needed(NAME, &arguments[1])?;
        let fill = self.needed(NAME, &arguments[2])?;
        self.needed(NAME, &arguments[3])?;
        if !shape.eq_ignore_ascii_case("rectangle") || !fill.eq_ignore_ascii_case("solid") {
            return Err(self.failed(format!(
                "{NAME}: the shape is \"rectangle\" and the fill \"solid\""
            )));
        }
        let region = self.done(region(&sides))?;
        let has_pixels = self.is_at("(7FE0,0010)")?;
        let (rows, columns) = (self.number("(0028,0010)")?, self.number("(0028,0011)")?);
        let is_outside = match (rows, columns) {
            (Some(rows), Some(columns)) => {
                let Region {
                    left,
                    top,
                    right,
                    bottom,
                } = region;
                left >= right || top >= bottom || left >= columns || top >= rows
            }
            // The host says what is wrong with such a picture.
            _ => false,
        };
        self.host.set_position(Some(self.at));
        if !has_pixels || is_outside {
            self.host
                .echo("alterPixels: there is no pixel in the region".to_owned());
            return Ok(());
        }
        let redacted = self.host.redact(region);
        self.edited(redacted)?;
        self.set("(0028,0301)", "NO")?;
        const TOLD: &str = "Burned in text blacked out";
        let method = self.done(parser::parse_path("(0012,0063)"))?;
        let before = self.read(&method)?.filter(|text| !text.is_empty());
        let is_told = (before.as_deref())
            .is_some_and(|text| text.split('\\').any(|value| value.trim() == TOLD));
        if !is_told {
            let told = before.map_or(TOLD.to_owned(), |text| format!("{text}\\{TOLD}"));
            self.set("(0012,0063)", &told)?;
        }
        self.note(&Code {
            value: "113101".to_owned(),
            scheme: "DCM",
            version: None,
            meaning: "Clean Pixel Data Option",
        })
    }

    /// Adds an item, once.
    pub(super) fn note(&mut self, code: &Code) -> Step<()> {
        let sequence = self.done(parser::parse_path("(0012,0064)"))?;
        let count = self.host.item_count(&sequence.pattern).unwrap_or(0);
        for item in 0..count {
            let mut is_there = true;
            for (tag, wanted) in [("0100", code.value.as_str()), ("0102", code.scheme)] {
                let path = format!("(0012,0064)[{item}]/(0008,{tag})");
                let path = self.done(parser::parse_path(&path))?;
                is_there &= self.read(&path)?.as_deref() == Some(wanted);
            }
            if is_there {
                return Ok(());
            }
        }
        for (tag, text) in [
            ("0100", Some(code.value.as_str())),
            ("0102", Some(code.scheme)),
            ("0103", code.version),
            ("0104", Some(code.meaning)),
        ] {
            if let Some(text) = text {
                self.set(&format!("(0012,0064)[{count}]/(0008,{tag})"), text)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, path: &str, text: &str) -> Step<()> {
        let path = self.done(parser::parse_path(path))?;
        self.assign(&path.pattern, text, "set")
    }

    fn is_at(&mut self, path: &str) -> Step<bool> {
        let path = self.done(parser::parse_path(path))?;
        Ok(self.host.is_present(&path.pattern))
    }

    fn number(&mut self, path: &str) -> Step<Option<u32>> {
        let path = self.done(parser::parse_path(path))?;
        Ok(self.read(&path)?.and_then(|text| text.trim().parse().ok()))
    }
}

/// `l= t= r= b=`, or `left=` and so on, with commas between them.
pub fn region(text: &str) -> Result<Region, String> {
    let mut sides = [None; 4];
    for part in text.split(',') {
        let (name, number) = part.split_once('=').unwrap_or((part, ""));
        let index = match name.trim().to_ascii_lowercase().as_str() {
            "l" | "left" => 0,
            "t" | "top" => 1,
            "r" | "right" => 2,
            "b" | "bottom" => 3,
            other => {
                return Err(format!(
                    "alterPixels: {other:?} is no side: write l=, t=, r= and b="
                ));
            }
        };
        let number: i64 = number
            .trim()
            .parse()
            .map_err(|_| "alterPixels: a side is a whole number".to_owned())?;
        // Beyond the left and the top there is nothing.
        sides[index] = Some(u32::try_from(number.clamp(0, i64::from(u32::MAX))).unwrap_or(0));
    }
    match sides {
        [Some(left), Some(top), Some(right), Some(bottom)] => Ok(Region {
            left,
            top,
            right,
            bottom,
        }),
        _ => Err("alterPixels: a rectangle has l=, t=, r= and b=".to_owned()),
    }
}
