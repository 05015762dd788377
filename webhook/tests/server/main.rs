//! The whole server over real TLS on loopback.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod common;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod hostile;
