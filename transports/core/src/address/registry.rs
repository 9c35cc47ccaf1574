//! Which adapter answers to which scheme. Not the adapters.

use std::{collections::BTreeMap, fmt};

use super::{Address, AddressError, FromAddress};
use crate::Transport;

/// A scheme, and what a user has to know to write an address of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// As in `mqtt`.
    pub name: &'static str,
    /// As in `mqtt://HOST[:PORT][/PREFIX][?qos=0|1]`.
    pub usage: &'static str,
}

/// Makes transports of addresses.
///
/// ```
/// use async_trait::async_trait;
/// use stringphone_transport::address::{Address, AddressError, FromAddress, Registry, Scheme};
/// use stringphone_transport::{Channels, Facts, Link, Transport, TransportError};
///
/// /// Carries frames in bottles.
/// struct Bottle {
///     ocean: String,
/// }
///
/// impl FromAddress for Bottle {
///     const SCHEMES: &'static [Scheme] = &[Scheme { name: "bottle", usage: "bottle://OCEAN" }];
///
///     fn from_address(address: &mut Address) -> Result<Self, AddressError> {
///         Ok(Self { ocean: address.host()?.to_owned() })
///     }
/// }
/// # #[async_trait]
/// # impl Transport for Bottle {
/// #     fn facts(&self) -> Facts { Facts::new(format!("bottle {}", self.ocean), 64) }
/// #     async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
/// #         Err(TransportError::Closed)
/// #     }
/// # }
///
/// let registry = Registry::new().with::<Bottle>();
/// assert_eq!(registry.open("bottle://pacific")?.facts().name, "bottle pacific");
/// assert!(registry.open("pigeon://home").is_err());
/// # Ok::<(), AddressError>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    makers: BTreeMap<&'static str, Maker>,
}

#[derive(Clone, Copy)]
struct Maker {
    scheme: Scheme,
    make: fn(&mut Address) -> Result<Box<dyn Transport>, AddressError>,
}

impl Registry {
    /// One that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows this adapter as well; of two that answer to one scheme, the later.
    #[must_use]
    pub fn with<T: FromAddress>(mut self) -> Self {
        for scheme in T::SCHEMES {
            let make = |address: &mut Address| {
                Ok(Box::new(T::from_address(address)?) as Box<dyn Transport>)
            };
            self.makers.insert(scheme.name, Maker { scheme: *scheme, make });
        }
        self
    }

    /// What it knows, ordered by name.
    pub fn schemes(&self) -> impl Iterator<Item = Scheme> {
        self.makers.values().map(|maker| maker.scheme)
    }

    /// The transport of this address.
    ///
    /// # Errors
    /// What is wrong with the address. Nothing is connected yet, so whether anybody is there does not
    /// show.
    pub fn open(&self, address: &str) -> Result<Box<dyn Transport>, AddressError> {
        let mut address: Address = address.parse()?;
        let maker =
            self.makers.get(address.scheme()).ok_or_else(|| AddressError::UnknownScheme {
                scheme: address.scheme().to_owned(),
                known: self.makers.keys().copied().collect::<Vec<_>>().join(", "),
            })?;
        let transport = (maker.make)(&mut address)?;
        match address.left_over() {
            None => Ok(transport),
            Some(name) => Err(AddressError::UnknownOption {
                scheme: maker.scheme.name.to_owned(),
                name: name.to_owned(),
                usage: maker.scheme.usage,
            }),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.makers.keys()).finish()
    }
}
