//! How much of the flash and of the memory the firmware takes, from its ELF file. Not here: what it
//! takes at run time, which it reports itself.

use std::fmt;
use std::path::Path;

use object::{Object, ObjectSection, SectionKind};

/// Bytes.
#[derive(Default)]
pub(crate) struct Sizes {
    /// Code.
    text: u64,
    /// Constants and the table of interrupts.
    constants: u64,
    /// Variables that begin with a value: once in the flash, once in the memory.
    data: u64,
    /// Variables that begin as zero, the heap among them.
    zeroed: u64,
}

pub(crate) fn read(firmware: &Path) -> Result<Sizes, String> {
    let problem = |error: &dyn fmt::Display| format!("cannot read {}: {error}", firmware.display());
    let bytes = std::fs::read(firmware).map_err(|error| problem(&error))?;
    let file = object::File::parse(&*bytes).map_err(|error| problem(&error))?;
    let mut sizes = Sizes::default();
    for section in file.sections() {
        match section.kind() {
            SectionKind::Text => sizes.text += section.size(),
            SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                sizes.constants += section.size();
            }
            SectionKind::Data => sizes.data += section.size(),
            SectionKind::UninitializedData => sizes.zeroed += section.size(),
            _ => {}
        }
    }
    Ok(sizes)
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, constants, data, zeroed } = self;
        let flash = text + constants + data;
        write!(f, "flash={flash} text={text} constants={constants} data={data} zeroed={zeroed}")
    }
}
