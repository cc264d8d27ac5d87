//! Functions whose cases need more than a script and its elements: keyed UIDs, what is noted, private sequences.

use super::*;

#[test]
fn new_and_mapped_uids_are_keyed() {
    let get = |script: &str, instance: Instance, path: &str| {
        let ran = run_on(instance, &format!("version \"6.6\"\n{script}"));
        assert_eq!(ran.verdict, Ok(Verdict::Keep), "{script}");
        element(ran.instance, path).unwrap()
    };
    let two = "(0020,000D) := newUID[]\n(0020,000E) := newUID[]";
    let (study, series) = (
        get(two, patient(), "(0020,000D)"),
        get(two, patient(), "(0020,000E)"),
    );
    assert_ne!(study, series, "each evaluation has its own");
    assert_eq!(
        study,
        get(two, patient(), "(0020,000D)"),
        "and the same again for the file"
    );
    let other = with(&[("(0008,0018)", "1.2.3.99")]);
    assert_ne!(
        study,
        get(two, other, "(0020,000D)"),
        "another file has another"
    );

    let map = "(0020,000D) := mapUID[(0020,000D), \"1.2.3\"]\nmapReferencedUIDs[\"1.2.3\", \"*/(0008,1155)\", \"no path\", \"(0008,0018)\"]";
    let instance = || {
        with(&[
            ("(0008,1111)[0]/(0008,1155)", "1.2.3"),
            ("(0008,1140)[0]/(0008,1155)", "1.2.3"),
        ])
    };
    let mapped = get(map, instance(), "(0020,000D)");
    assert!(mapped.starts_with("1.2.3.") && mapped.len() <= 64);
    assert_eq!(mapped, get(map, instance(), "(0008,1111)[0]/(0008,1155)"));
    assert_eq!(mapped, get(map, instance(), "(0008,1140)[0]/(0008,1155)"));
    assert_ne!(mapped, get(map, instance(), "(0008,0018)"));
}

#[test]
fn a_script_notes_itself_where_the_caller_wants_it() {
    let script = "version \"6.6\"\n(0010,0010) := \"x\"";
    let ran = run_on(patient(), script);
    assert_eq!(element(ran.instance, "(0012,0064)[0]/(0008,0102)"), None);
    let recorded = Context {
        record: true,
        ..context()
    };
    let ran = run_with_context(patient(), script, recorded);
    let mut host = host_of(reread(&ran.instance));
    for (tag, expected) in [
        ("(0008,0102)", "XNAT"),
        ("(0008,0103)", "1.0"),
        ("(0008,0104)", "XNAT DicomEdit 6 Script"),
    ] {
        let path = format!("(0012,0064)[0]/{tag}");
        assert_eq!(host.get(&path).as_deref(), Some(expected));
    }
    let number = host.get("(0012,0064)[0]/(0008,0100)").unwrap();
    assert!(number.len() <= 16 && number.bytes().all(|b| b.is_ascii_digit()));
}

#[test]
fn private_sequences_that_hold_what_is_kept_stay() {
    let text = |tag: [u8; 4], value: &str| {
        let mut bytes = tag.to_vec();
        bytes.extend(b"LO");
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value.as_bytes());
        bytes
    };
    let creator = || text([0x19, 0, 0x10, 0], "ACME");
    let wanted = [creator(), text([0x19, 0, 1, 0x10], "kept")].concat();
    let other = [creator(), text([0x19, 0, 2, 0x10], "gone")].concat();
    let mut items = Vec::new();
    for item in [&wanted, &other] {
        items.extend([0xFE, 0xFF, 0, 0xE0]);
        items.extend((item.len() as u32).to_le_bytes());
        items.extend(item);
    }
    let mut bytes = patient().to_bytes().unwrap();
    bytes.extend(text([0x21, 0, 0x10, 0], "ACME"));
    bytes.extend(*b"\x21\0\x08\x10SQ\0\0");
    bytes.extend((items.len() as u32).to_le_bytes());
    bytes.extend(&items);
    let instance = || Instance::from_bytes(bytes.clone()).unwrap();
    let after = |path: &str| {
        let script = format!("version \"6.6\"\nretainPrivateTags[{path}]");
        let ran = run_on(instance(), &script);
        assert_eq!(ran.verdict, Ok(Verdict::Keep));
        let mut host = host_of(reread(&ran.instance));
        let items = host.find("(0021,1008)[%]/(0019,10XX)");
        let first = host.get("(0021,1008)[0]/(0019,1001)");
        let second = host.get("(0021,1008)[1]/(0019,1002)");
        let count = match &reread(&ran.instance)
            .dataset
            .get(sluice::dicom::Tag(0x21, 0x1008))
        {
            Some(element) => element.sequence().unwrap().items.len(),
            None => 0,
        };
        (first, second, items.len(), count)
    };
    let kept = || Some("kept".to_owned());
    assert_eq!(
        after("(0021,{ACME}08)/(0019,{ACME}01)"),
        (kept(), None, 1, 1)
    );
    let whole = after("(0021,{ACME}08)");
    assert_eq!(whole, (kept(), Some("gone".to_owned()), 2, 2));
    // An item that is emptied before one that stays keeps its number.
    let second = after("(0021,{ACME}08)[1]/(0019,{ACME}02)");
    assert_eq!(second, (None, Some("gone".to_owned()), 1, 2));
    assert_eq!(after("(0021,{ACME}08)[0]"), (kept(), None, 1, 1));
}
