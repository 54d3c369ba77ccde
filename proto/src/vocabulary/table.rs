//! The macros that make enums of tables.

use std::fmt;

/// The labels of a series, `poller` apart.
pub type Labels = &'static [(&'static str, &'static str)];

/// A metric of Prometheus and its series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Family<T: 'static> {
    /// Its name.
    pub metric: &'static str,
    /// One sentence that says what it is.
    pub help: &'static str,
    /// Its series.
    pub series: &'static [(Labels, T)],
}

/// The text is not one of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownName;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such name in version 1 of the protocol")
    }
}

impl std::error::Error for UnknownName {}

/// What the enum of every table has.
macro_rules! named {
    ($of:ident { $($variant:ident $name:ident $help:expr;)+ }) => {
        impl $of {
            /// All, in the order of the tables.
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$variant),+];

            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Returns its place in `ALL`.
            #[inline]
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// Returns the one at that place of `ALL`.
            #[inline]
            #[must_use]
            pub const fn from_index(index: usize) -> Option<Self> {
                if index < Self::COUNT {
                    Some(Self::ALL[index])
                } else {
                    None
                }
            }

            /// Returns its name, by which tables, documents, metrics and the protocol call it.
            #[inline]
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)+
                }
            }

            /// Returns what it means, in a sentence or two.
            #[must_use]
            pub const fn help(self) -> &'static str {
                let help: &str = match self {
                    $(Self::$variant => $help,)+
                };
                help.trim_ascii()
            }
        }

        impl std::fmt::Display for $of {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $of {
            type Err = $crate::vocabulary::table::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .into_iter()
                    .find(|it| it.name() == name)
                    .ok_or($crate::vocabulary::table::UnknownName)
            }
        }
    };
}

/// Makes an enum of a table of words. A row is the doc, the variant, its number on the wire and its
/// name.
macro_rules! words {
    (
        $(#[doc = $about:literal])+
        $word:ident {
            $($(#[doc = $doc:literal])+ $variant:ident = $number:literal $name:ident,)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $word {
            $($(#[doc = $doc])+ $variant,)+
        }

        named! { $word { $($variant $name concat!($($doc),+);)+ } }

        impl $word {
            /// Returns its number in the protocol.
            #[inline]
            #[must_use]
            pub const fn number(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)+
                }
            }

            /// Returns the one of this number in the protocol; `None` for one of a later version.
            #[inline]
            #[must_use]
            pub const fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

/// The doc of a series, or else the help of its metric.
macro_rules! doc_or {
    ($help:literal) => {
        $help
    };
    ($help:literal $($doc:literal)+) => {
        concat!($($doc),+)
    };
}

macro_rules! family {
    ($metric:ident $help:literal $($variant:ident [$($label:ident $value:literal),*])+) => {
        $crate::vocabulary::table::Family {
            metric: stringify!($metric),
            help: $help,
            series: &[$((&[$((stringify!($label), $value)),*], Self::$variant)),+],
        }
    };
}

/// Makes an enum of a table of metrics. A metric has a name, a help and series; a series its doc,
/// the variant, its name in tables and in the protocol, and its labels. One without a doc has the
/// help of the metric.
macro_rules! families {
    (
        $(#[doc = $about:literal])+
        $of:ident {
            $($metric:ident $help:literal {
                $(
                    $(#[doc = $doc:literal])*
                    $variant:ident $name:ident $([$($label:ident $value:literal),+])?,
                )+
            })+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $of {
            $($(#[doc = doc_or!($help $($doc)*)] $variant,)+)+
        }

        named! { $of { $($($variant $name doc_or!($help $($doc)*);)+)+ } }

        impl $of {
            /// The metrics whose series they are, in the order of the table.
            pub const FAMILIES: &'static [$crate::vocabulary::table::Family<Self>] = &[
                $(family!($metric $help $($variant [$($($label $value),+)?])+)),+
            ];

            /// Returns the metric of which it is a series.
            #[must_use]
            pub const fn family(self) -> &'static $crate::vocabulary::table::Family<Self> {
                match self {
                    $($(Self::$variant)|+ => {
                        &family!($metric $help $($variant [$($($label $value),+)?])+)
                    })+
                }
            }
        }
    };
}
