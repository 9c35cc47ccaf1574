//! The combinations of features that a package is checked with.
//!
//! A build of the whole workspace unifies features, so a package that forgets one of its own
//! is only found when it is built by itself.

use std::collections::BTreeSet;

use crate::metadata::Package;

/// The arguments of `cargo clippy` or `cargo build` for each combination worth a build: none, the
/// default, each feature alone, all. What comes to the same set of features is listed once.
pub(crate) fn combinations(package: &Package) -> Vec<Vec<String>> {
    let all: Vec<&str> = package.features.keys().map(String::as_str).collect();
    let has_default = all.contains(&"default");
    let mut wanted = Vec::new();
    if has_default {
        wanted.push((vec!["default"], vec![]));
    }
    // Without a `default` there is no need for the flag.
    let bare: Vec<&str> = if has_default { vec!["--no-default-features"] } else { vec![] };
    wanted.push((vec![], bare.clone()));
    for feature in all.iter().filter(|feature| **feature != "default") {
        wanted.push((vec![feature], [bare.as_slice(), &["--features", feature]].concat()));
    }
    wanted.push((all.clone(), vec!["--all-features"]));

    let mut seen = BTreeSet::new();
    wanted.retain(|(features, _)| seen.insert(switched_on(package, features)));
    wanted
        .into_iter()
        .map(|(_, flags)| {
            ["-p", &package.name].into_iter().chain(flags).map(str::to_owned).collect()
        })
        .collect()
}

/// The features and optional dependencies that are on, once each feature brought its own.
fn switched_on(package: &Package, features: &[&str]) -> BTreeSet<String> {
    let mut on = BTreeSet::new();
    let mut open: Vec<String> = features.iter().map(|feature| (*feature).to_owned()).collect();
    while let Some(feature) = open.pop() {
        if on.insert(feature.clone()) {
            open.extend(package.features.get(&feature).into_iter().flatten().cloned());
        }
    }
    // Its name alone changes nothing.
    on.remove("default");
    on
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combinations_of(features: &[(&str, &[&str])]) -> Vec<String> {
        let features = features.iter().map(|(name, enables)| {
            ((*name).to_owned(), enables.iter().map(|name| (*name).to_owned()).collect())
        });
        let package =
            Package { name: "p".into(), features: features.collect(), targets: Vec::new() };
        combinations(&package).iter().map(|flags| flags.join(" ")).collect()
    }

    #[test]
    fn each_feature_is_tried_alone_and_all_together() {
        assert_eq!(
            combinations_of(&[("default", &["tcp"]), ("mqtt", &[]), ("serial", &[]), ("tcp", &[])]),
            [
                "-p p",
                "-p p --no-default-features",
                "-p p --no-default-features --features mqtt",
                "-p p --no-default-features --features serial",
                "-p p --all-features",
            ]
        );
    }

    #[test]
    fn what_comes_to_the_same_features_is_built_once() {
        assert_eq!(combinations_of(&[]), ["-p p"]);
        assert_eq!(combinations_of(&[("default", &[])]), ["-p p"]);
        assert_eq!(
            combinations_of(&[("classic", &["dep:c"])]),
            ["-p p", "-p p --features classic"]
        );
        assert_eq!(
            combinations_of(&[("full", &["tcp"]), ("tcp", &[])]),
            ["-p p", "-p p --features full", "-p p --features tcp"]
        );
    }
}
