//! What somebody asks, in Cedar's terms: put so once, and asked of as many services as there are.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema,
};

use crate::{
    Request, Vocabulary,
    clause::Clause,
    hours::on_the_wall,
    rules::{RulesError, compilation},
};

/// What policies may speak about. Every policy set is validated against it, strictly, and so is what is
/// asked.
pub(crate) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let read = Schema::from_cedarschema_str(
        r#"
    entity Group;
    entity Facility in [Group] { kind: String, prefecture: String };
    entity Person;
    entity Patient;
    entity Service;
    action "use" appliesTo {
        principal: [Person, Patient],
        resource: Service,
        context: {
            facility: Facility,
            roles: Set<String>,
            member: Bool,
            strength: Long,
            weekday: Long,
            minute: Long,
            emergency: Bool,
            visiting: Bool
        }
    };
"#,
    );
    read.expect("the schema above is one").0
});

/// The types of the schema. Reading a type's name takes longer than a decision.
pub(crate) struct Types {
    facility: EntityTypeName,
    group: EntityTypeName,
    person: EntityTypeName,
    patient: EntityTypeName,
    service: EntityTypeName,
    action: EntityUid,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let read = |name: &str| name.parse().expect("a type of the schema has a name");
    Types {
        facility: read("Facility"),
        group: read("Group"),
        person: read("Person"),
        patient: read("Patient"),
        service: read("Service"),
        action: uid(&read("Action"), "use"),
    }
});

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// What somebody is to the policies, as whom they ask.
pub(crate) const fn principal(patient: bool) -> &'static str {
    if patient { "Patient" } else { "Person" }
}

/// Somebody's question about services, which each one's rules answer.
#[derive(Debug)]
pub struct Question<'a> {
    request: &'a Request,
    /// The levels, by whose order its strength is told.
    levels: &'a [String],
    /// Absent where it cannot be put: every service refuses then.
    terms: Option<Terms>,
    /// What was found of clauses, by their numbers.
    found: RefCell<HashMap<u64, bool>>,
}

#[derive(Debug)]
struct Terms {
    facility: EntityUid,
    /// The facility, in no group.
    entities: Entities,
    /// Of no service that there is: what is asked looks at none.
    request: cedar_policy::Request,
}

/// A question as one service is asked it: its rules say in which groups the facility is.
pub(crate) struct Asked<'q> {
    question: &'q Question<'q>,
    terms: &'q Terms,
    entities: Cow<'q, Entities>,
}

impl<'a> Question<'a> {
    /// Of a request, in the words of the vocabulary under which the rules were compiled.
    #[must_use]
    pub fn new(request: &'a Request, vocabulary: &'a Vocabulary) -> Self {
        let levels = &vocabulary.acr_levels;
        let terms = Terms::of(request, vocabulary).ok();
        Self { request, levels, terms, found: RefCell::default() }
    }

    /// What is asked about.
    #[must_use]
    pub fn request(&self) -> &Request {
        self.request
    }

    /// Whether its strength is told in these levels.
    pub(crate) fn is_in(&self, vocabulary: &Vocabulary) -> bool {
        *self.levels == *vocabulary.acr_levels
    }

    /// The same to one service whose rules have the facility in these groups.
    pub(crate) fn where_facility_is_in<'g>(
        &self,
        groups: impl Iterator<Item = &'g str>,
    ) -> Result<Asked<'_>, RulesError> {
        let terms = self.terms.as_ref().ok_or_else(|| compilation("not to be asked"))?;
        let groups: HashSet<_> = groups.map(|group| uid(&TYPES.group, group)).collect();
        let entities = if groups.is_empty() {
            Cow::Borrowed(&terms.entities)
        } else {
            Cow::Owned(entities(self.request, &terms.facility, groups)?)
        };
        Ok(Asked { question: self, terms, entities })
    }
}

impl Asked<'_> {
    /// Whether a clause holds, as it does for all services.
    pub(crate) fn holds(&self, clause: &Clause) -> Result<bool, RulesError> {
        if let Some(found) = self.question.found.borrow().get(&clause.number) {
            return Ok(*found);
        }
        let holds = self.holds_here(clause)?;
        self.question.found.borrow_mut().insert(clause.number, holds);
        Ok(holds)
    }

    /// Whether one holds that looks at groups, which each service has of its own.
    pub(crate) fn holds_here(&self, clause: &Clause) -> Result<bool, RulesError> {
        clause.holds(&self.terms.request, &self.entities)
    }
}

impl Terms {
    fn of(request: &Request, vocabulary: &Vocabulary) -> Result<Self, RulesError> {
        let facility = uid(&TYPES.facility, &request.facility_id);
        // A role that nobody here knows authorises nothing, not even by a rule's mistake.
        let known = request.roles.iter().filter(|role| vocabulary.roles.contains(*role));
        let roles = known.map(|role| string(role));
        let strength = vocabulary.strength(&request.acr).unwrap_or(0);
        let (weekday, minute) = on_the_wall(request.at);
        let context = Context::from_pairs([
            ("facility".to_owned(), RestrictedExpression::new_entity_uid(facility.clone())),
            ("roles".to_owned(), RestrictedExpression::new_set(roles)),
            ("member".to_owned(), RestrictedExpression::new_bool(request.member)),
            ("strength".to_owned(), RestrictedExpression::new_long(strength)),
            ("weekday".to_owned(), RestrictedExpression::new_long(weekday)),
            ("minute".to_owned(), RestrictedExpression::new_long(minute)),
            ("emergency".to_owned(), RestrictedExpression::new_bool(request.emergency)),
            ("visiting".to_owned(), RestrictedExpression::new_bool(request.visiting)),
        ])
        .map_err(compilation)?;
        let kind = if request.patient { &TYPES.patient } else { &TYPES.person };
        let principal = uid(kind, &request.person_id);
        let (action, no_service) = (TYPES.action.clone(), uid(&TYPES.service, ""));
        let asked =
            cedar_policy::Request::new(principal, action, no_service, context, Some(&SCHEMA));
        let entities = entities(request, &facility, HashSet::new())?;
        Ok(Self { facility, entities, request: asked.map_err(compilation)? })
    }
}

/// The facility, in these groups.
fn entities(
    request: &Request,
    facility: &EntityUid,
    groups: HashSet<EntityUid>,
) -> Result<Entities, RulesError> {
    let attributes = HashMap::from([
        ("kind".to_owned(), string(&request.facility_kind)),
        ("prefecture".to_owned(), string(&request.facility_prefecture)),
    ]);
    let mut entities: Vec<Entity> = groups.iter().cloned().map(Entity::with_uid).collect();
    entities.push(Entity::new(facility.clone(), attributes, groups).map_err(compilation)?);
    Entities::from_entities(entities, Some(&SCHEMA)).map_err(compilation)
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}
