//! A multicast group, and the sockets that hear it and speak to it.
//! Not what is said.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

/// A burst waits here until it is read; 1 MiB. Systems give less if they are set up so.
const UNREAD: usize = 1024 * 1024;

/// A group with its port, on an interface of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    V4 {
        address: SocketAddrV4,
        /// One of its addresses; unspecified where the system chooses.
        interface: Ipv4Addr,
    },
    /// The scope is the number of the interface; 0 where the system chooses.
    V6(SocketAddrV6),
}

impl Group {
    /// `None` for an address that is no group's, and for port 0.
    pub(crate) fn new(address: SocketAddr) -> Option<Self> {
        if !address.ip().is_multicast() || address.port() == 0 {
            return None;
        }
        Some(match address {
            SocketAddr::V4(address) => Self::V4 { address, interface: Ipv4Addr::UNSPECIFIED },
            SocketAddr::V6(address) => Self::V6(address),
        })
    }

    /// The same group on this interface: an address of it, or with IPv6 its number.
    pub(crate) fn on(self, interface: &str) -> Option<Self> {
        match self {
            Self::V4 { address, .. } => {
                interface.parse().ok().map(|interface| Self::V4 { address, interface })
            }
            Self::V6(mut address) => {
                address.set_scope_id(interface.parse().ok()?);
                Some(Self::V6(address))
            }
        }
    }

    /// Whether it is a group of IPv6 that every interface has one of, and ours is not named.
    pub(crate) fn lacks_interface(self) -> bool {
        let Self::V6(address) = self else { return false };
        let [_, flags_and_scope, ..] = address.ip().octets();
        matches!(flags_and_scope & 0x0f, 1 | 2) && address.scope_id() == 0
    }

    /// A socket that hears the group, next to others of this machine.
    pub(crate) fn receiver(self) -> io::Result<UdpSocket> {
        let socket = self.socket()?;
        socket.set_reuse_address(true)?;
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
        socket.set_reuse_port(true)?;
        socket.set_recv_buffer_size(UNREAD)?;
        // Bound to the group, a socket hears no other that uses the same port. Windows can't.
        let local = match cfg!(windows) {
            true => self.unspecified(self.address().port()),
            false => self.address(),
        };
        socket.bind(&local.into())?;
        self.join(&socket)?;
        Ok(socket.into())
    }

    /// Joins the group. Where the socket has, on the interface that it would join on now, this fails.
    pub(crate) fn join(self, socket: &Socket) -> io::Result<()> {
        match self {
            Self::V4 { address, interface } => socket.join_multicast_v4(address.ip(), &interface),
            Self::V6(address) => socket.join_multicast_v6(address.ip(), address.scope_id()),
        }
    }

    /// A socket that speaks to the group, through at most `ttl` networks; 0 is this machine. It fails
    /// where no way leads there.
    ///
    /// It is not the one that hears: what is bound to a group can't send everywhere.
    pub(crate) fn sender(self, ttl: u8) -> io::Result<UdpSocket> {
        let socket = self.socket()?;
        match self {
            Self::V4 { interface, .. } => {
                socket.set_multicast_if_v4(&interface)?;
                socket.set_multicast_ttl_v4(ttl.into())?;
            }
            Self::V6(address) => {
                socket.set_multicast_if_v6(address.scope_id())?;
                socket.set_multicast_hops_v6(ttl.into())?;
            }
        }
        socket.bind(&self.unspecified(0).into())?;
        socket.connect(&self.address().into())?;
        Ok(socket.into())
    }

    /// The address that datagrams to the group come from at present.
    pub(crate) fn source(self) -> io::Result<IpAddr> {
        self.sender(1)?.local_addr().map(|local| local.ip())
    }

    fn address(self) -> SocketAddr {
        match self {
            Self::V4 { address, .. } => address.into(),
            Self::V6(address) => address.into(),
        }
    }

    fn unspecified(self, port: u16) -> SocketAddr {
        match self {
            Self::V4 { .. } => (Ipv4Addr::UNSPECIFIED, port).into(),
            Self::V6(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
        }
    }

    fn socket(self) -> io::Result<Socket> {
        let domain = Domain::for_address(self.address());
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        // Other processes of this machine belong to the group as well. Some systems ask the sender
        // for it, some the receiver.
        match self {
            Self::V4 { .. } => socket.set_multicast_loop_v4(true)?,
            Self::V6(_) => {
                socket.set_only_v6(true)?;
                socket.set_multicast_loop_v6(true)?;
            }
        }
        Ok(socket)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}
