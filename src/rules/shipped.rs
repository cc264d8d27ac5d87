//! The modules that are part of Sluice, embedded in the binary: the same files, run by the same
//! engines, as a site's own.

/// A shipped module's files, by their names in its folder.
pub struct Shipped {
    pub name: &'static str,
    /// Where its source is, for messages.
    pub folder: &'static str,
    pub files: &'static [(&'static str, &'static [u8])],
}

impl Shipped {
    pub fn file(&self, name: &str) -> Option<&'static [u8]> {
        self.files
            .iter()
            .find(|(file, _)| *file == name)
            .map(|(_, bytes)| *bytes)
    }
}

macro_rules! shipped {
    ($parent:literal, $name:literal, $code:literal) => {
        Shipped {
            name: $name,
            folder: concat!($parent, "/", $name),
            files: &[
                shipped!(@file $parent, $name, "module.json"),
                shipped!(@file $parent, $name, "settings.schema.json"),
                shipped!(@file $parent, $name, $code),
            ],
        }
    };
    (@file $parent:literal, $name:literal, $file:literal) => {
        ($file, include_bytes!(concat!("../../", $parent, "/", $name, "/", $file)) as &[u8])
    };
}

/// A new one needs its folder and a line here.
pub static MODULES: &[Shipped] = &[
    shipped!("plugins", "ps315-basic", "rule.wasm"),
    shipped!("rules", "redact-regions", "rule.rhai"),
    shipped!("rules", "template-labels", "rule.rhai"),
    shipped!("rules", "xnat-default", "rule.rhai"),
    shipped!("rules", "xnat-labels", "rule.rhai"),
    shipped!("rules", "xnat-routing", "rule.rhai"),
];

pub fn find(name: &str) -> Option<&'static Shipped> {
    MODULES.iter().find(|module| module.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::module::ModuleSource;

    #[test]
    fn every_shipped_module_compiles_and_is_called_what_its_folder_is() {
        for shipped in MODULES {
            let module = ModuleSource::shipped(shipped).unwrap().compile().unwrap();
            assert_eq!(module.manifest.name, shipped.name);
        }
    }
}
