//! Types, as far as they are futures or hold one.
//!
//! A future is known by what rustc makes of `async`: a type that says in `__state` where it is, and
//! has for each `.await` a variant with the future that is awaited there. All other futures are
//! structures like any other. So a structure is looked through if it holds exactly one future, and
//! nothing else that could be one.

use std::collections::HashMap;
use std::sync::Arc;

use gimli::constants;

use super::reader::Reader;
use super::unit::Entry;

/// Structures within one another.
const MOST_LEVELS: u32 = 32;
/// Types that are known at a time, and bytes of text in them.
const MOST: usize = 1 << 16;
const MOST_TEXT: usize = 64 << 20;
/// Members of one structure, and variants of one type.
const MOST_MEMBERS: usize = 1024;
/// The name of anything that is a future.
const ANY_FUTURE: &str = "dyn core::future::future::Future<";

/// One type.
#[derive(Debug, Clone)]
pub(super) struct Type {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) alignment: Option<u64>,
    pub(super) shape: Shape,
    /// What in it may be futures or hold some, where its shape does not tell which one is meant.
    pub(super) parts: Vec<Place>,
    /// One of its variants may hold futures, which is not followed.
    pub(super) is_opaque: bool,
}

impl Type {
    /// Whether there may be a future in it.
    fn has_any(&self) -> bool {
        !matches!(self.shape, Shape::Other) || !self.parts.is_empty() || self.is_opaque
    }

    /// Bytes of the text in it.
    fn text(&self) -> usize {
        let states = match &self.shape {
            Shape::Async(_, states) => states.as_slice(),
            _ => &[],
        };
        let locations = states.iter().filter_map(|it| it.location.as_ref());
        let locations = locations.map(String::len);
        locations.fold(self.name.len(), usize::saturating_add)
    }
}

/// What is to be found in a type.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// A future as rustc makes it.
    Async(Discriminant, Vec<State>),
    /// One future or another, or none.
    Choice(Discriminant, Vec<(Option<u64>, Place)>),
    /// One future.
    Inside(Place),
    /// The address of a future.
    Pointer(usize),
    /// The address of a future, and that of a table that tells which one it is, are that far from
    /// the beginning.
    Any(u64, u64),
    /// Several futures at once.
    Several,
    Other,
}

/// Where the number is that tells which variant there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Discriminant {
    pub(super) offset: u64,
    pub(super) size: usize,
}

/// Something in a type: how far from its beginning, and which type it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) kind: usize,
}

/// One variant of a future as rustc makes it.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) value: u64,
    pub(super) progress: Progress,
    pub(super) location: Option<String>,
    pub(super) awaited: Option<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Unresumed,
    Suspended,
    Over,
}

/// All types that are known.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// By where in the section they are.
    known: HashMap<usize, Arc<Type>>,
    /// Bytes of all the text in them.
    text: usize,
}

impl Types {
    pub(super) fn get(&self, place: usize) -> Option<Arc<Type>> {
        self.known.get(&place).cloned()
    }

    /// Reads a type and whatever it holds.
    pub(super) fn read(&mut self, reader: &Reader<'_>, place: usize) -> Option<Arc<Type>> {
        if self.is_full() {
            *self = Self::default();
        }
        self.within(reader, place, 0)
    }

    fn within(&mut self, reader: &Reader<'_>, place: usize, level: u32) -> Option<Arc<Type>> {
        if let Some(known) = self.get(place) {
            return Some(known);
        }
        let entry = reader.entry(place)?;
        let is_pointer = entry.tag == constants::DW_TAG_pointer_type;
        let mut this = Type {
            name: reader.name(place)?,
            size: entry.size.or(is_pointer.then_some(8))?,
            alignment: entry.alignment,
            shape: Shape::Other,
            parts: Vec::new(),
            is_opaque: false,
        };
        // What holds itself is none while it is read.
        self.known.insert(place, Arc::new(this.clone()));
        if level < MOST_LEVELS && !self.is_full() {
            self.look_into(reader, &entry, &mut this, level);
        }
        self.text = self.text.saturating_add(this.text());
        let this = Arc::new(this);
        self.known.insert(place, Arc::clone(&this));
        Some(this)
    }

    fn is_full(&self) -> bool {
        self.known.len() > MOST || self.text > MOST_TEXT
    }

    fn look_into(&mut self, reader: &Reader<'_>, entry: &Entry<'_>, this: &mut Type, level: u32) {
        let shape = match entry.tag {
            constants::DW_TAG_pointer_type if is_exclusive(&this.name) => {
                let is_future = |target: &usize| self.is_future(reader, *target, level);
                entry.kind.filter(is_future).map(Shape::Pointer)
            }
            constants::DW_TAG_structure_type if this.size > 0 => {
                let Some(structure) = Structure::read(reader, entry.place) else {
                    return;
                };
                let shape = self.shape(reader, entry, &structure, this, level);
                if matches!(shape, None | Some(Shape::Several)) {
                    let members = structure.members.iter();
                    this.parts = self.parts(reader, members, level);
                    let variants = structure.variants.iter().map(|(_, member)| member);
                    this.is_opaque = !self.parts(reader, variants, level).is_empty();
                }
                shape
            }
            _ => None,
        };
        this.shape = shape.unwrap_or(Shape::Other);
    }

    fn shape<'a>(
        &mut self,
        reader: &Reader<'a>,
        entry: &Entry<'_>,
        structure: &Structure<'a>,
        this: &Type,
        level: u32,
    ) -> Option<Shape> {
        match structure.discriminant {
            Some(discriminant) if structure.is_async => {
                states(reader, discriminant, &structure.variants)
            }
            Some(discriminant) => {
                let mut variants = Vec::new();
                for (value, member) in &structure.variants {
                    variants.push((*value, place_of(member)?));
                }
                let mut places = variants.iter();
                let has_any = places.any(|(_, it)| self.is_future(reader, it.kind, level));
                has_any.then_some(Shape::Choice(discriminant, variants))
            }
            // The variables of a closure are used in ways that cannot be known.
            None if is_closure(entry) => None,
            None => self.structure(reader, structure, this, level),
        }
    }

    /// Returns what of a structure, or of the variables of a closure, may be futures or hold some.
    fn parts<'a>(
        &mut self,
        reader: &Reader<'_>,
        members: impl Iterator<Item = &'a Entry<'a>>,
        level: u32,
    ) -> Vec<Place> {
        let places = members.filter_map(place_of);
        let mut parts: Vec<Place> = places.collect();
        parts.retain(|part| {
            let kind = self.within(reader, part.kind, level.saturating_add(1));
            kind.is_some_and(|it| it.has_any())
        });
        parts
    }

    fn is_future(&mut self, reader: &Reader<'_>, place: usize, level: u32) -> bool {
        let kind = self.within(reader, place, level.saturating_add(1));
        kind.is_some_and(|it| !matches!(it.shape, Shape::Other))
    }

    /// A structure that is no future as rustc makes it.
    fn structure(
        &mut self,
        reader: &Reader<'_>,
        structure: &Structure<'_>,
        this: &Type,
        level: u32,
    ) -> Option<Shape> {
        if let Some(shape) = any_future(reader, structure, this) {
            return Some(shape);
        }
        let mut found = None;
        let (mut others, mut has_unknown) = (Vec::new(), false);
        for member in &structure.members {
            let place = place_of(member)?;
            let kind = self.within(reader, place.kind, level.saturating_add(1));
            let Some(kind) = kind else {
                has_unknown = true;
                continue;
            };
            match kind.shape {
                Shape::Other if kind.size == 0 => {}
                Shape::Other => others.push(kind),
                _ if found.is_some() => return Some(Shape::Several),
                _ => found = Some(place),
            }
        }
        let found = found?;
        let is_tuple = this.name.starts_with('(');
        if is_tuple && (has_unknown || !others.is_empty()) {
            return Some(Shape::Several);
        }
        // Whatever it was made for may be another future, and not look like one.
        for parameter in &structure.parameters {
            let kind = self.within(reader, parameter.kind?, level.saturating_add(1));
            let kind = kind.filter(|it| it.size > 0 && may_be_future(reader, parameter));
            let is_in_another = |kind: Arc<Type>| {
                has_unknown || others.iter().any(|it| it.name.contains(&kind.name))
            };
            if kind.is_some_and(is_in_another) {
                return Some(Shape::Several);
            }
        }
        Some(Shape::Inside(found))
    }
}

/// What a structure is made up of.
#[derive(Default)]
struct Structure<'a> {
    is_async: bool,
    members: Vec<Entry<'a>>,
    /// The types for which it was made.
    parameters: Vec<Entry<'a>>,
    discriminant: Option<Discriminant>,
    variants: Vec<(Option<u64>, Entry<'a>)>,
}

impl<'a> Structure<'a> {
    fn read(reader: &Reader<'a>, place: usize) -> Option<Self> {
        const TAGS: [gimli::DwTag; 5] = [
            constants::DW_TAG_member,
            constants::DW_TAG_variant_part,
            constants::DW_TAG_variant,
            constants::DW_TAG_template_type_parameter,
            constants::DW_TAG_structure_type,
        ];
        let (_, inside) = reader.tree(place, &TAGS, 3)?;
        let mut structure = Self::default();
        let (mut part, mut variant): (Option<Entry<'_>>, Option<Entry<'_>>) = (None, None);
        for entry in inside {
            match (entry.depth, entry.tag, &part) {
                (1, tag, _) => {
                    part = None;
                    match tag {
                        constants::DW_TAG_member => structure.members.push(entry),
                        constants::DW_TAG_template_type_parameter => {
                            structure.parameters.push(entry);
                        }
                        constants::DW_TAG_variant_part => part = Some(entry),
                        _ => {}
                    }
                }
                (2, constants::DW_TAG_member, Some(part))
                    if part.discriminant == Some(entry.place) =>
                {
                    structure.is_async = entry.name == Some(b"__state");
                    structure.discriminant = Some(Discriminant {
                        offset: entry.at?,
                        size: size_of_number(reader, entry.kind?)?,
                    });
                }
                (2, constants::DW_TAG_variant, Some(_)) => variant = Some(entry),
                (3, constants::DW_TAG_member, Some(_)) => {
                    let variant = variant.take()?;
                    if variant.has_list {
                        return None;
                    }
                    let size = structure.discriminant.as_ref()?.size;
                    let value = variant.value.map(|it| low(it, size));
                    structure.variants.push((value, entry));
                }
                _ => {}
            }
        }
        let most = structure.members.len().max(structure.variants.len());
        let is_known = structure.variants.is_empty() || structure.discriminant.is_some();
        (most <= MOST_MEMBERS && is_known).then_some(structure)
    }
}

fn size_of_number(reader: &Reader<'_>, place: usize) -> Option<usize> {
    let entry = reader.entry(place)?;
    let size = match entry.tag {
        constants::DW_TAG_base_type => entry.size?,
        constants::DW_TAG_pointer_type => 8,
        _ => return None,
    };
    (1..=8)
        .contains(&size)
        .then(|| usize::try_from(size).ok())?
}

/// So many of the low bytes of a number, which may be less than nothing.
fn low(number: u64, size: usize) -> u64 {
    let bytes = u32::try_from(size).unwrap_or(8);
    let unused = 64_u32.saturating_sub(bytes.saturating_mul(8));
    number.checked_shl(unused).unwrap_or_default() >> unused
}

fn place_of(member: &Entry<'_>) -> Option<Place> {
    Some(Place {
        offset: member.at?,
        kind: member.kind?,
    })
}

/// Whether whoever has a pointer of this type has what it points to for itself.
fn is_exclusive(name: &str) -> bool {
    name.starts_with("&mut ") || name.starts_with("alloc::boxed::Box<")
}

/// A pointer to anything that is a future.
fn any_future(reader: &Reader<'_>, structure: &Structure<'_>, this: &Type) -> Option<Shape> {
    let member = |name: &str| {
        let mut members = structure.members.iter();
        members.find(|it| it.name == Some(name.as_bytes()))
    };
    let (pointer, table) = (member("pointer")?, member("vtable")?);
    let target = reader.entry(pointer.kind?)?.kind?;
    let target = reader.entry(target)?.name?;
    let target = str::from_utf8(target).ok()?;
    let target = target.strip_prefix('(').unwrap_or(target);
    (is_exclusive(&this.name) && target.starts_with(ANY_FUTURE))
        .then_some(Shape::Any(pointer.at?, table.at?))
}

fn is_closure(entry: &Entry<'_>) -> bool {
    let name = entry.name.unwrap_or_default();
    name.starts_with(b"{closure_env#") || name.starts_with(b"{async_closure_env#")
}

/// Whether one of the types for which a structure was made may be a future.
fn may_be_future(reader: &Reader<'_>, parameter: &Entry<'_>) -> bool {
    let entry = parameter.kind.and_then(|it| reader.entry(it));
    let plain = [constants::DW_TAG_base_type, constants::DW_TAG_pointer_type];
    entry.is_some_and(|it| !plain.contains(&it.tag) && !is_closure(&it))
}

/// The variants of a future as rustc makes it.
fn states<'a>(
    reader: &Reader<'a>,
    discriminant: Discriminant,
    variants: &[(Option<u64>, Entry<'a>)],
) -> Option<Shape> {
    let mut states = Vec::new();
    for (value, member) in variants {
        let tags = [constants::DW_TAG_member];
        let (variant, members) = reader.tree(member.kind?, &tags, 1)?;
        let mut members = members.into_iter();
        let awaited = members.find(|it| it.name == Some(b"__awaitee"));
        let awaited = awaited.and_then(|it| place_of(&it));
        let awaited = awaited.and_then(|it| {
            let offset = it.offset.checked_add(member.at?)?;
            Some(Place { offset, ..it })
        });
        states.push(State {
            value: (*value)?,
            progress: match variant.name? {
                b"Unresumed" => Progress::Unresumed,
                b"Returned" | b"Panicked" => Progress::Over,
                _ => Progress::Suspended,
            },
            location: reader.location(member),
            awaited,
        });
    }
    Some(Shape::Async(discriminant, states))
}
