//! `alterPixels`, over a made picture and over real ones.

use super::*;

#[test]
fn a_region_is_black() {
    let script = |sides: &str| {
        format!("version \"6.6\"\nalterPixels[\"Rectangle\", \"{sides}\", \"solid\", \"v=100\"]")
    };
    let ran = run_on(picture(), &script("l=1, t=0, r=3, b=2"));
    assert_eq!(ran.verdict, Ok(Verdict::Keep));
    let mut host = host_of(reread(&ran.instance));
    assert_eq!(host.get("(0028,0301)").as_deref(), Some("NO"));
    assert_eq!(
        host.get("(0012,0063)").as_deref(),
        Some("Burned in text blacked out")
    );
    assert_eq!(
        host.get("(0012,0064)[0]/(0008,0100)").as_deref(),
        Some("113101")
    );
    let written = pixels_of(ran.instance);
    assert_eq!(written, [1, 0, 0, 4, 5, 0, 0, 8, 9, 10, 11, 12]);

    // Cut off at the picture's edges.
    let ran = run_on(picture(), &script("left=2,top=-1,right=900,bottom=1"));
    assert_eq!(pixels_of(ran.instance)[..5], [1, 2, 0, 0, 5]);
    // Outside, and without pixels: nothing happens.
    for (instance, sides) in [
        (picture(), "l=50,t=0,r=60,b=2"),
        (patient(), "l=0,t=0,r=1,b=1"),
    ] {
        let ran = run_on(instance, &script(sides));
        assert_eq!(ran.verdict, Ok(Verdict::Keep));
        assert_eq!(element(ran.instance, "(0028,0301)"), None);
    }
    check_failures(&[
        (
            "alterPixels[\"circle\", \"l=0,t=0,r=1,b=1\", \"solid\", \"v=1\"]",
            "rectangle",
        ),
        (
            "alterPixels[\"rectangle\", \"l=0,t=0,r=1\", \"solid\", \"v=1\"]",
            "l=, t=, r= and b=",
        ),
        (
            "alterPixels[\"rectangle\", \"x=0\", \"solid\", \"v=1\"]",
            "no side",
        ),
    ]);
}

fn pixels_of(instance: Instance) -> Vec<u8> {
    super::pixels(instance)
}

/// 16 bits, in little and in big endian, explicit and implicit.
#[test]
fn real_pictures_are_black_there_and_nowhere_else() {
    const SCRIPT: &str = "version \"6.6\"\nalterPixels[\"rectangle\", \"l=8, t=16, r=24, b=20\", \"solid\", \"v=100\"]";
    for name in [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
    ] {
        let before = dicom_object::open_file(files::real(name)).unwrap();
        let ran = run_on(files::open(name), SCRIPT);
        assert_eq!(ran.verdict, Ok(Verdict::Keep), "{name}");
        let after = dicom_object::from_reader(&ran.instance.to_bytes().unwrap()[..]).unwrap();
        let number = |name| {
            before
                .element_by_name(name)
                .unwrap()
                .to_int::<usize>()
                .unwrap()
        };
        let (rows, columns) = (number("Rows"), number("Columns"));
        let pixels = |object: &dicom_object::DefaultDicomObject| {
            let element = object.element_by_name("PixelData").unwrap();
            element.to_multi_int::<u16>().unwrap()
        };
        let (before, after) = (pixels(&before), pixels(&after));
        assert!(before.len() >= rows * columns, "{name}");
        for (at, (before, after)) in before.iter().zip(&after).enumerate() {
            let (row, column) = (at / columns, at % columns);
            let is_black = (16..20).contains(&row) && (8..24).contains(&column);
            let expected = if is_black { 0 } else { *before };
            assert_eq!(*after, expected, "{name}: {column}, {row}");
        }
    }
    let ran = run_on(files::open("rtplan.dcm"), SCRIPT);
    assert_eq!(ran.verdict, Ok(Verdict::Keep));
    assert_eq!(element(ran.instance, "(0028,0301)"), None);
}
