//! The functions of DicomEdit 6, by name, with how many arguments they take. What they do is in
//! [`super::text`], [`super::uid`], [`super::date`], [`super::bulk`] and [`super::pixels`].

/// A function's name and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: &'static str,
    pub id: Id,
    least: usize,
    most: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    AlterPixels,
    BlankValues,
    CollectValues,
    Concatenate,
    Delete,
    False,
    Format,
    GetUrl,
    HashUid,
    HashUidList,
    IsMatch,
    IsPresent,
    Lookup,
    Lowercase,
    MapReferencedUids,
    MapUid,
    Match,
    NewUid,
    NormalizeString,
    Reject,
    RemoveTags,
    Replace,
    RetainPrivateTags,
    ScalePatientAge,
    Set,
    ShiftDate,
    ShiftDateTime,
    ShiftDateTimeList,
    ShiftDateTimeSequence,
    Substring,
    True,
    Uppercase,
}

const ANY: usize = usize::MAX;

const fn function(name: &'static str, id: Id, least: usize, most: usize) -> Function {
    Function {
        name,
        id,
        least,
        most,
    }
}

/// Where there is no most, further arguments are ignored or are more of the same.
static FUNCTIONS: [Function; 32] = [
    function("alterPixels", Id::AlterPixels, 4, 4),
    function("blankValues", Id::BlankValues, 0, ANY),
    function("collectValues", Id::CollectValues, 0, ANY),
    function("concatenate", Id::Concatenate, 1, ANY),
    function("delete", Id::Delete, 1, 1),
    function("false", Id::False, 0, ANY),
    function("format", Id::Format, 1, ANY),
    function("getURL", Id::GetUrl, 1, ANY),
    function("hashUID", Id::HashUid, 1, ANY),
    function("hashUIDList", Id::HashUidList, 1, ANY),
    function("ismatch", Id::IsMatch, 2, ANY),
    function("isPresent", Id::IsPresent, 0, ANY),
    function("lookup", Id::Lookup, 2, 2),
    function("lowercase", Id::Lowercase, 1, 1),
    function("mapReferencedUIDs", Id::MapReferencedUids, 2, ANY),
    function("mapUID", Id::MapUid, 2, 2),
    function("match", Id::Match, 3, 3),
    function("newUID", Id::NewUid, 0, ANY),
    function("normalizeString", Id::NormalizeString, 1, 2),
    function("reject", Id::Reject, 0, 1),
    function("removeTags", Id::RemoveTags, 0, ANY),
    function("replace", Id::Replace, 3, ANY),
    function("retainPrivateTags", Id::RetainPrivateTags, 0, ANY),
    function(
        "scalePatientAgeAndDobFromStudyDate",
        Id::ScalePatientAge,
        0,
        ANY,
    ),
    function("set", Id::Set, 2, 2),
    function("shiftDateByIncrement", Id::ShiftDate, 2, 3),
    function("shiftDateTimeByIncrement", Id::ShiftDateTime, 2, 3),
    function("shiftDateTimeListByIncrement", Id::ShiftDateTimeList, 3, 3),
    function(
        "shiftDateTimeSequenceByIncrement",
        Id::ShiftDateTimeSequence,
        2,
        ANY,
    ),
    function("substring", Id::Substring, 3, ANY),
    function("true", Id::True, 0, ANY),
    function("uppercase", Id::Uppercase, 1, 1),
];

/// Names are case-sensitive.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

impl Function {
    /// # Errors
    /// How many arguments it takes.
    pub fn check_count(&self, count: usize) -> Result<(), String> {
        if (self.least..=self.most).contains(&count) {
            return Ok(());
        }
        let wanted = match (self.least, self.most) {
            (least, ANY) => format!("{least} or more arguments"),
            (1, 1) => "1 argument".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        Err(format!("{} takes {wanted}, not {count}", self.name))
    }
}
