//! Random numbers from the operating system. Not here: what they are used for.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

/// A generator of cryptographic quality, seeded by the operating system: a call of its own for
/// every nonce would cost as much as sealing a short message.
pub(crate) fn generator() -> Result<ChaCha20Rng, getrandom::Error> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())?;
    Ok(ChaCha20Rng::from_seed(*seed))
}
