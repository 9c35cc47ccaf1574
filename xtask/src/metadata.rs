//! What Cargo knows of the packages: their features, benchmarks and fuzz targets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::steps::{cargo, shown};

/// A package of a workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Each feature, with what it switches on.
    pub(crate) features: BTreeMap<String, Vec<String>>,
    /// Kind (`lib`, `bin`, `bench`, …) and name of each target.
    pub(crate) targets: Vec<(String, String)>,
}

impl Package {
    /// The names of the targets of one kind.
    pub(crate) fn targets_of(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(move |(of, _)| of == kind).map(|(_, name)| name.as_str())
    }
}

/// The packages of the workspace with this manifest.
pub(crate) fn packages(manifest: &str) -> Result<Vec<Package>, String> {
    Ok(parse_packages(&metadata(manifest)?))
}

/// Where Cargo puts what it builds, which CARGO_TARGET_DIR or a configuration file may change.
pub(crate) fn target_dir() -> Result<PathBuf, String> {
    let metadata = metadata("Cargo.toml")?;
    let dir = metadata.get("target_directory").and_then(Value::as_str).map(PathBuf::from);
    dir.ok_or_else(|| "`cargo metadata` names no target directory; is this Cargo too old?".into())
}

fn metadata(manifest: &str) -> Result<Value, String> {
    let mut command =
        cargo(&["metadata", "--format-version=1", "--no-deps", "--manifest-path", manifest]);
    let line = shown(&command);
    let output = command.output().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("reading `{line}`: {error}"))
}

fn parse_packages(metadata: &Value) -> Vec<Package> {
    list(metadata.get("packages")).map(parse_package).collect()
}

fn parse_package(package: &Value) -> Package {
    let features = package.get("features").and_then(Value::as_object);
    Package {
        name: text(package.get("name")),
        features: features
            .into_iter()
            .flatten()
            .map(|(name, enables)| (name.clone(), texts(Some(enables)).collect()))
            .collect(),
        targets: list(package.get("targets"))
            .flat_map(|target| {
                texts(target.get("kind")).map(|kind| (kind, text(target.get("name"))))
            })
            .collect(),
    }
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = String> {
    list(value).map(|value| text(Some(value)))
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_come_with_their_features_and_targets() {
        let metadata = serde_json::json!({"packages": [{
            "name": "radio",
            "features": {"default": ["std"], "std": [], "usb": ["dep:serial", "std"]},
            "targets": [
                {"kind": ["lib"], "name": "radio"},
                {"kind": ["bench"], "name": "air"},
            ],
        }]});
        let packages = parse_packages(&metadata);
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].name, "radio");
        assert_eq!(packages[0].features["usb"], ["dep:serial", "std"]);
        assert_eq!(packages[0].targets_of("bench").collect::<Vec<_>>(), ["air"]);
    }
}
