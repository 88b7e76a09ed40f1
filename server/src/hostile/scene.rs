//! An instance with everything that a hostile request could want: two facilities with a terminal
//! and a logged-in physician each, people of the console, and one of each thing that has a name.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::CertificateDer;
use sekisho_key::{SoftwareKey, SystemRandomness};
use sekisho_pki::{
    encoding::{cms, ocsp::OcspQuery},
    national::{
        facility_code::{MedicalInstitutionCode, Strictness},
        facility_identifier::FacilityIdentifier,
    },
};
use sekisho_store::{
    Queries, StoreError, account, application,
    audit::{Actor, Audited, Entry},
    emergency_access, enrolment_code,
    notice::Addressee,
    person, role_grant, router, router_model,
    router_test::{self, Judged, Proof, RouterTest, Source},
    scep_ra, service, sql, terminal, transaction,
    vpn_group::{self, NewGroup, Purpose, Topology},
    vpn_membership::{self, NewMembership, Side},
};
use sekisho_wire::acr;
use serde_json::{Value, json};
use time::Duration;

use super::ask::{Answer, Ask, Routers, pair};
use crate::{
    app::App,
    config::Settings,
    enrol::{
        acme::tests::prepared::{Prepared, prepared},
        cmp, psk, ra,
        scep::tests::client::{Message, key},
    },
    login::tests::desk::{self, Desk, physician},
    names::NameRole,
    network::{bundle::Key, psk::Making, setup::NewSetup},
    oidc::{client, tests::scene as oidc},
    paper_code::PaperCode,
    people::session::NewSession,
    register::form::example,
    testing::{self, TestApp},
};

pub type Chain = Arc<[CertificateDer<'static>]>;

pub struct Scene {
    pub test: TestApp,
    pub routers: Routers,
    pub here: Desk,
    pub elsewhere: Desk,
    /// A browser at this terminal that is not logged in.
    pub browser: String,
    /// Console cookies.
    pub administrator: String,
    pub officer: String,
    pub auditor: String,
    pub manager: String,
    pub other_manager: String,
    pub owner: String,
    /// Things of this facility.
    pub membership: String,
    /// Whose it is.
    pub member: String,
    pub invitation: String,
    pub invitation_code: String,
    pub claim: String,
    /// Things of the register.
    pub application: String,
    pub checked_application: String,
    pub receipt: String,
    pub activation_code: String,
    pub grant: String,
    pub officer_id: String,
    pub colleague_id: String,
    pub notice: String,
    /// An emergency access here that is over, and one elsewhere.
    pub emergency: String,
    pub other_emergency: String,
    pub audit_record: String,
    pub first_use_token: String,
    /// A terminal that waits for its certificate, and its code.
    pub new_terminal: String,
    pub enrolment_code: String,
    pub other_enrolment_code: String,
    /// A router that waits for its certificate, and its code.
    pub new_router: String,
    pub router_code: String,
    /// A router that has one.
    pub router: String,
    /// A model of its family, seen to work by pre-shared keys.
    pub router_model: String,
    /// A key of both, and the code of the one that waits.
    pub psk: (String, String),
    /// The code of a link of the one that waits, for a tunnel with the other.
    pub setup_code: String,
    /// A group of routers of the first facility, one of the second, and its invitation to the first.
    pub own_group: String,
    pub other_group: String,
    pub invited: String,
    router_certificate: Vec<u8>,
    /// A SCEP message of a router that brings no good code: answered, and refused in its own form.
    pub scep_message: Vec<u8>,
    /// The same by CMP, of a device that does not exist: a wrong code would cost another row's code its tries.
    pub cmp_message: Vec<u8>,
    /// Requests of a service's server by ACME.
    pub acme: Prepared,
    /// A service.
    pub secret: String,
    pub other_secret: String,
    /// Of a service behind a proxy.
    pub guarded_secret: String,
    pub code: String,
    /// `Authorization` of whoever may register two services.
    pub initial_token: String,
    /// A service that registered itself, and `Authorization` of its own.
    pub registered: String,
    pub registration_token: String,
    /// Services of the sandbox: nobody asked for the first, the second and the third wait to be let out.
    pub tried: Vec<String>,
    /// What the third is registered as.
    pub seen: String,
    /// Rules that others proposed for a service, to be published and to be refused, and one's own.
    pub proposals: [String; 3],
    /// Another administrator, who wrote a draft, and its fingerprint.
    pub writer: String,
    pub written: String,
}

/// Runs one change in a transaction of its own.
macro_rules! change {
    ($app:expr, |$tx:ident| $body:expr) => {{
        let at = $app.now();
        let outcome: Result<_, StoreError> = transaction!($app.store(), StoreError, |$tx| {
            let value = $body;
            Ok(Audited::new(value, Entry::done("test", Actor::System, at)))
        });
        outcome.unwrap()
    }};
}

async fn text_of(app: &App, statement: &'static str) -> String {
    let (text,): (String,) = app.store().read().fetch_one(sql(statement)).await.unwrap();
    text
}

/// Somebody with a console session; their `Cookie` header.
async fn signed_in(app: &App, login_name: &str, role: &str, at: Option<&str>) -> String {
    let session = NewSession::draw(&SystemRandomness).unwrap();
    let now = app.now();
    change!(app, |tx| {
        let person_id = person::enter(tx, login_name, "", now).await?;
        account::open(tx, &person_id, login_name, &format!("{login_name}@example.jp")).await?;
        role_grant::grant(tx, &person_id, role, at, None, now).await?;
        session.open(tx, app, &person_id).await?;
    });
    session.cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

/// A terminal of `facility` without a certificate, and a code for it.
async fn waiting_terminal(app: &App, facility: &str, id: &str) -> String {
    let code = PaperCode::generate(&SystemRandomness).unwrap();
    let now = app.now();
    change!(app, |tx| {
        terminal::create(tx, id, facility, id, "test", now).await?;
        let new = enrolment_code::NewCode {
            code_hash: &code.hash(),
            terminal_id: id,
            tries: 20,
            person_id: "test",
            created_at: now,
            expires_at: now + Duration::DAY,
            needs_approval: false,
        };
        enrolment_code::issue(tx, new).await?;
    });
    code.reveal().to_string()
}

/// An emergency access of whoever is logged in at a facility, which is over.
async fn past_emergency(app: &App, facility: &str) -> String {
    let statement =
        sql("SELECT id_hash, person_id, terminal_id FROM session WHERE organisation_id = $1");
    let found: (Vec<u8>, String, String) =
        app.store().read().fetch_one(statement.bind(facility)).await.unwrap();
    let (session_hash, person_id, terminal_id) = found;
    let session_hash: [u8; 32] = session_hash.try_into().unwrap();
    let at = app.now() - Duration::hours(2);
    let begun = change!(app, |tx| {
        let asked = emergency_access::Asked {
            session_hash: &session_hash,
            person_id: &person_id,
            organisation_id: facility,
            terminal_id: &terminal_id,
            acr: acr::HPKI_CARD,
            visiting: false,
            reason: "other",
            words: "夜の急患",
            // Of no day on which somebody asks.
            day: "2000-01-01",
            a_day: 9,
            at,
            ends_at: at + Duration::HOUR,
            due_at: at + Duration::hours(72),
        };
        let begun = emergency_access::begin(tx, asked).await?;
        if let emergency_access::Begun::Now { id, .. } = &begun {
            emergency_access::end(tx, id, "lapsed", None, at + Duration::HOUR).await?;
        }
        begun
    });
    match begun {
        emergency_access::Begun::Now { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

async fn scep_message(app: &App) -> Vec<u8> {
    let all = scep_ra::in_force(&mut app.store().read(), "scep", app.now()).await.unwrap();
    Message::enrol(key(0), "T1234567892", "no code").octets(&all[0].certificate_der)
}

/// A model that was tested with itself.
async fn tested_model(app: &App) -> String {
    let is = router_model::Description {
        maker: "日本ルーター".to_owned(),
        model: "R".to_owned(),
        firmware: "1".to_owned(),
        firmware_to: String::new(),
        family: "router".to_owned(),
        doors: Vec::new(),
        note: String::new(),
    };
    let (id, _) = change!(app, |tx| router_model::keep(tx, &is, "p", app.now()).await?);
    let test = RouterTest {
        opens_id: id.clone(),
        awaits_id: id.clone(),
        proof: Proof::Psk,
        judged: Judged::Packet,
        tested_at: app.now(),
        failure: None,
        source: Source::Bench,
        tested_by: "p".to_owned(),
        note: String::new(),
    };
    change!(app, |tx| router_test::keep(tx, &test, "p", app.now()).await?);
    id
}

/// The same of a router.
async fn waiting_router(app: &App, facility: &str, id: &str) -> String {
    let code = waiting_terminal(app, facility, id).await;
    let router = router::Router {
        terminal_id: id.to_owned(),
        family: "router".to_owned(),
        dns_name: app.config().host_names().of_router(id),
        address: None,
        address_certified: false,
        network: format!("10.{}.0.0/24", &id[10..]).parse().unwrap(),
    };
    change!(app, |tx| router::create(tx, &router).await?);
    code
}

/// A group of a facility's that has hubs.
async fn hub(app: &App, owner_id: &str) -> String {
    let new = NewGroup {
        owner_id,
        name_ja: "西地域連携",
        name_en: "",
        purpose: Purpose::RegionalCooperation,
        topology: Topology::Hub,
        transit: false,
        created_by: "p",
        at: app.now(),
    };
    change!(app, |tx| vpn_group::create(tx, new).await?).unwrap()
}

/// Its owner asks a facility.
async fn invited_to(group_id: &str, app: &App, organisation_id: &str) -> String {
    let new = NewMembership {
        group_id,
        organisation_id,
        is_hub: false,
        side: Side::Owner,
        asked_by: "p",
        at: app.now(),
        ends_at: None,
    };
    change!(app, |tx| vpn_membership::ask(tx, new).await?).unwrap()
}

/// The fields of a good application, with a form of its own.
pub fn application_fields(code: &str) -> Vec<(&'static str, String)> {
    let form = example();
    vec![
        ("form", form.form),
        ("kind", form.kind),
        ("name", form.name),
        ("name_kana", form.name_kana),
        ("prefecture", form.prefecture),
        ("postal_code", form.postal_code),
        ("address", form.address),
        ("medical_institution_code", code.to_owned()),
        ("contact_name", form.contact_name),
        ("contact_phone", form.contact_phone),
        ("contact_email", form.contact_email),
    ]
}

/// Another browser at the same terminal.
fn another_browser(desk: &Desk, browser_cookie: Option<String>) -> Desk {
    Desk {
        terminal: desk.terminal.clone(),
        page_key: SoftwareKey::generate_p256().unwrap(),
        browser_cookie,
        session_cookie: None,
        profile_cookie: None,
    }
}

/// A 医療機関コード of Tokyo whose last digit checks the others.
pub fn institution_code(number: u32) -> String {
    (0..10)
        .map(|digit| format!("131{number:06}{digit}"))
        .find(|code| MedicalInstitutionCode::parse(code, Strictness::Strict).is_ok())
        .unwrap()
}

impl Scene {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    /// The same with other settings, such as another database.
    #[allow(clippy::too_many_lines, reason = "one thing after the other, each a few lines")]
    pub async fn with(mut settings: Settings) -> Self {
        settings.card_login.navigation = true;
        settings.card_login.passkeys = true;
        settings.card_login.passwords = true;
        settings.card_login.day_passes = true;
        settings.scep.enabled = true;
        settings.scep.ra_key_bits = 2048;
        settings.cmp.enabled = true;
        settings.sandbox.facilities = vec![FacilityIdentifier::from_random(3).to_string()];
        let test = desk::instance_with(settings).await;
        let app = test.app.clone();
        // As every process that serves begins.
        app.token_keys().open(&app).await.unwrap();
        ra::keep_up(&app).await.unwrap();
        testing::sandbox(&app, 3).await;
        let routers = Routers::new(&app);
        let mut here = desk::desk(&test, 1).await;
        let mut elsewhere = desk::desk(&test, 2).await;
        here.admit(&test, &physician()).await;
        elsewhere.admit(&test, &physician()).await;
        let (a, b) =
            (here.terminal.organisation_id.clone(), elsewhere.terminal.organisation_id.clone());
        let membership = text_of(&app, "SELECT id FROM membership ORDER BY id LIMIT 1").await;
        let member = text_of(&app, "SELECT person_id FROM membership ORDER BY id LIMIT 1").await;
        // Somebody whose name differs waits for the administrator's word.
        let mut third = another_browser(&here, None);
        let code = third.invite(&test, "別人 次郎", "Medical Doctor").await;
        let stranger = desk::Card { serial_number: "DEMO00099", serial: 199, ..physician() };
        let waiting = third.redeem(&test, &code, &stranger).await;
        assert_eq!(waiting.code(), "invitation-mismatch", "{}", waiting.text);
        let claim = text_of(&app, "SELECT id FROM invitation_claim LIMIT 1").await;
        let invitation_code = here.invite(&test, "佐藤 花子", "Pharmacist").await;
        let invitation = text_of(&app, "SELECT id FROM invitation ORDER BY id DESC LIMIT 1").await;

        let administrator = signed_in(&app, "admin", "operating_administrator", None).await;
        let officer = signed_in(&app, "officer", "accreditation_officer", None).await;
        let auditor = signed_in(&app, "auditor", "auditor", None).await;
        let manager = signed_in(&app, "manager", "facility_administrator", Some(&a)).await;
        let other_manager = signed_in(&app, "other", "facility_administrator", Some(&b)).await;
        let owner = signed_in(&app, "owner", "service_owner", Some(&a)).await;
        let audit_record = text_of(&app, "SELECT id FROM audit_record LIMIT 1").await;
        let grant = text_of(&app, "SELECT id FROM role_grant WHERE role = 'auditor' LIMIT 1").await;
        signed_in(&app, "colleague", "facility_administrator", Some(&a)).await;
        let officer_id =
            text_of(&app, "SELECT person_id FROM account WHERE login_name = 'officer'");
        let colleague_id =
            text_of(&app, "SELECT person_id FROM account WHERE login_name = 'colleague'");
        let (officer_id, colleague_id) = (officer_id.await, colleague_id.await);
        let told = Addressee::Role { role: "facility_administrator", organisation_id: Some(&a) };
        app.store().post_notice("n1", told, "test", "{}", app.now()).await.unwrap();

        let secret = oidc::register(&test, &oidc::service_file("referral", oidc::PHYSICIANS)).await;
        oidc::register(&test, &oidc::declaring_file("shared", "joint_use")).await;
        let mut scene = Self {
            browser: String::new(),
            new_terminal: "T1234567890".to_owned(),
            enrolment_code: waiting_terminal(&app, &a, "T1234567890").await,
            other_enrolment_code: waiting_terminal(&app, &b, "T1234567891").await,
            new_router: "T1234567892".to_owned(),
            router_code: waiting_router(&app, &a, "T1234567892").await,
            router: "T1234567893".to_owned(),
            router_model: tested_model(&app).await,
            router_certificate: Vec::new(),
            psk: Default::default(),
            setup_code: String::new(),
            own_group: hub(&app, &a).await,
            other_group: hub(&app, &b).await,
            invited: String::new(),
            scep_message: scep_message(&app).await,
            cmp_message: cmp::tests::client::Client::of_code("T0000000000", "no code").genm(),
            acme: prepared(&app, "referral", "referral.example").await,
            secret,
            guarded_secret: oidc::register(&test, &oidc::guarded_file(oidc::PHYSICIANS)).await,
            other_secret: oidc::register(&test, &oidc::service_file("other", oidc::PHYSICIANS))
                .await,
            test,
            routers,
            here,
            elsewhere,
            administrator,
            officer,
            auditor,
            manager,
            other_manager,
            owner,
            membership,
            member,
            invitation,
            invitation_code,
            claim,
            application: String::new(),
            checked_application: String::new(),
            receipt: String::new(),
            activation_code: String::new(),
            grant,
            officer_id,
            colleague_id,
            notice: "n1".to_owned(),
            emergency: past_emergency(&app, &a).await,
            other_emergency: past_emergency(&app, &b).await,
            audit_record,
            first_use_token: String::new(),
            code: String::new(),
            initial_token: String::new(),
            registered: String::new(),
            registration_token: String::new(),
            tried: Vec::new(),
            seen: String::new(),
            proposals: Default::default(),
            writer: String::new(),
            written: String::new(),
        };
        scene.enrol_router(&a).await;
        scene.invited = invited_to(&scene.other_group, scene.app(), &a).await;
        scene.register().await;
        scene.register_itself().await;
        scene.register_by_the_console().await;
        scene.propose_rules().await;
        let page = scene.get(NameRole::Terminal, "/login", "").await;
        scene.browser = page.cookie("__Host-browser");
        scene.code = scene.authorization_code().await;
        scene
    }

    /// A request with somebody else's cookie ends their session, by design: it begins anew.
    pub async fn revive_sessions(&self) {
        change!(self.app(), |tx| {
            tx.execute(sql("UPDATE session SET ended_at = NULL, end_reason = NULL")).await?;
        });
    }

    pub fn app(&self) -> &App {
        &self.test.app
    }

    pub fn chain(&self) -> Chain {
        Arc::clone(&self.here.terminal.peer.chain)
    }

    pub fn other_chain(&self) -> Chain {
        Arc::clone(&self.elsewhere.terminal.peer.chain)
    }

    /// Gives the router a certificate, by its door.
    async fn enrol_router(&mut self, facility: &str) {
        let code = waiting_router(self.app(), facility, &self.router).await;
        let path = "/.well-known/est/routers/simpleenroll";
        let mut ask = Ask::new(self.app(), NameRole::Enrol, "POST", path);
        ask.set("authorization", Self::basic(&self.router, &code));
        ask.set("content-type", "application/pkcs10");
        ask.octets = self.certification_request(&self.router);
        let answer = ask.send(&self.routers).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
        let mut all = cms::parse_certs_only(&STANDARD.decode(answer.text()).unwrap()).unwrap();
        self.router_certificate = all.remove(0);
        let routers = [self.new_router.as_str(), &self.router];
        let (psk, [code, _]) = psk::tests::given(&self.test.app, routers, Making::First).await;
        self.psk = (psk, code);
        let (app, peers) = (self.app(), vec![self.router.clone()]);
        let (own, now) = (self.new_router.as_str(), app.now());
        let setup = NewSetup::draw(app.random(), own, Key::P256, peers, now).unwrap();
        change!(app, |tx| {
            let terminal = terminal::find(tx, own).await?.unwrap();
            assert_eq!(setup.keep(tx, &terminal, "p").await?, None);
        });
        self.setup_code = setup.code().reveal().to_string();
    }

    pub fn router_chain(&self) -> Chain {
        Arc::new([CertificateDer::from(self.router_certificate.clone())])
    }

    /// A certificate that TLS let through and nobody of ours signed.
    pub fn strange_chain(&self) -> Chain {
        Arc::new([CertificateDer::from(self.app().authority().root_der(self.app().now()).to_vec())])
    }

    pub fn no_chain(&self) -> Chain {
        Arc::new([])
    }

    pub fn session(&self) -> &str {
        self.here.session_cookie.as_deref().unwrap()
    }

    pub fn other_session(&self) -> &str {
        self.elsewhere.session_cookie.as_deref().unwrap()
    }

    pub fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    pub async fn get(&self, role: NameRole, path: &str, cookie: &str) -> Answer {
        let mut ask = Ask::new(self.app(), role, "GET", path);
        if !cookie.is_empty() {
            ask.add("cookie", cookie);
        }
        if role == NameRole::Terminal {
            ask.chain = self.chain();
        }
        let answer = ask.send(&self.routers).await;
        assert!(answer.status.as_u16() < 400, "{path}: {}", answer.text());
        answer
    }

    async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let ask = Ask::new(self.app(), NameRole::Public, "POST", path).with_form(fields);
        let answer = ask.with_cookie(cookie).send(&self.routers).await;
        assert!(answer.status.as_u16() < 400, "{path}: {}", answer.text());
        answer
    }

    /// Applications in each state, a letter's code and a one-time link.
    async fn register(&mut self) {
        let mut ids = Vec::new();
        for number in 100_001..100_004 {
            let fields = application_fields(&institution_code(number));
            let fields: Vec<_> = fields.iter().map(|(name, v)| (*name, v.as_str())).collect();
            let receipt = self.post("/apply", "a=b", &fields).await;
            self.receipt = receipt.between("id=\"receipt-number\">", "<");
            let mut reader = self.app().store().read();
            let found = application::find_by_receipt(&mut reader, &self.receipt).await.unwrap();
            ids.push(found.unwrap().id);
        }
        let officer = self.officer.clone();
        for id in &ids[1..] {
            let path = format!("/console/applications/{id}/checks");
            self.post(&path, &officer, &[("source", "厚生局の名簿")]).await;
        }
        let approve = format!("/console/applications/{}/approve", ids[2]);
        let letter = [("letter_postal_code", "100-0001"), ("letter_address", "東京都千代田区1")];
        let letter = self.post(&approve, &officer, &letter).await;
        self.activation_code = letter.between("id=\"activation-code\">", "<");
        (self.application, self.checked_application) = (ids[0].clone(), ids[1].clone());
        let administrator = self.administrator.clone();
        let fields = [
            ("login_name", "newcomer"),
            ("name", "新人"),
            ("name_kana", "シンジン"),
            ("email", "n@example.jp"),
            ("role", "auditor"),
        ];
        let link = self.post("/console/roles", &administrator, &fields).await;
        self.first_use_token = link.between("/first-use?token=", "<");
    }

    /// A service by the first of two uses of an initial access token.
    async fn register_itself(&mut self) {
        let token = oidc::initial_token(&self.test, 2).await;
        self.initial_token = format!("Bearer {token}");
        let mut ask = Ask::new(self.app(), NameRole::Public, "POST", "/register");
        ask.set("authorization", &self.initial_token);
        ask.set("content-type", "application/json");
        ask.octets = Self::registration("itself").to_string().into_bytes();
        let answer = ask.send(&self.routers).await;
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        let word = |member: &str| told[member].as_str().unwrap().to_owned();
        self.registered = word("client_id");
        self.registration_token = format!("Bearer {}", word("registration_access_token"));
    }

    /// Services by the form, for two of which their owner asks.
    async fn register_by_the_console(&mut self) {
        let owner = self.owner.clone();
        let organisation = self.here.terminal.organisation_id.clone();
        for name in ["first", "second", "third"] {
            let address = format!("https://{name}.example/callback");
            let fields = [
                ("organisation", organisation.as_str()),
                ("name_ja", name),
                ("name_en", name),
                ("description_ja", name),
                ("description_en", name),
                ("home_url", &address),
                ("redirect_uris", &address),
                ("backchannel_logout_uri", &address),
                ("authentication", "client_secret_basic"),
            ];
            let made = self.post("/console/services/new", &owner, &fields).await;
            self.tried.push(made.between("id=\"client-id\">", "<"));
        }
        for id in &self.tried[1..] {
            let path = format!("/console/service/{id}/ask");
            self.post(&path, &owner, &[("purpose", "試す。")]).await;
        }
        let mut reader = self.app().store().read();
        let third = service::find(&mut reader, &self.tried[2]).await.unwrap().unwrap();
        self.seen = client::fingerprint(&third);
    }

    /// Drafts and proposals for the live service.
    async fn propose_rules(&mut self) {
        let runs = "operating_administrator";
        let second = signed_in(self.app(), "second", runs, None).await;
        let third = signed_in(self.app(), "third", runs, None).await;
        self.writer = signed_in(self.app(), "fourth", runs, None).await;
        for (number, cookie) in [second, third, self.administrator.clone()].iter().enumerate() {
            let seen = self.write_rules(cookie, "General Nurse").await;
            let fields = [("reason", "試す。"), ("seen", seen.as_str())];
            let made = self.post("/console/service/referral/rules/propose", cookie, &fields).await;
            self.proposals[number] = made.header("location").rsplit_once('/').unwrap().1.to_owned();
        }
        self.written = self.write_rules(&self.writer, "Pharmacist").await;
    }

    /// Writes a draft; its fingerprint.
    async fn write_rules(&self, cookie: &str, role: &str) -> String {
        let path = "/console/service/referral/rules/draft";
        let rules = format!("[[rules]]\nid = \"all\"\nroles = [\"{role}\"]\n");
        self.post(&format!("{path}/text"), cookie, &[("base", "1"), ("rules", &rules)]).await;
        let page = self.get(NameRole::Public, path, cookie).await;
        page.between("name=\"seen\" value=\"", "\"")
    }

    /// What a service sends that registers itself.
    pub fn registration(name: &str) -> Value {
        json!({
            "redirect_uris": [format!("https://{name}.example/callback")],
            "client_name": name,
            "token_endpoint_auth_method": "client_secret_basic",
        })
    }

    /// The query of a good authentication request.
    pub fn authentication_request() -> Vec<(&'static str, &'static str)> {
        vec![
            ("client_id", "referral"),
            ("redirect_uri", oidc::REDIRECT),
            ("response_type", "code"),
            ("scope", "openid profile"),
            ("code_challenge", oidc::CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "s"),
            ("nonce", "n"),
        ]
    }

    fn authorize_path() -> String {
        let query: Vec<String> =
            Self::authentication_request().iter().map(|(name, value)| pair(name, value)).collect();
        format!("/authorize?{}", query.join("&"))
    }

    async fn authorization_code(&self) -> String {
        let answer = self.get(NameRole::Terminal, &Self::authorize_path(), self.session()).await;
        let location = url::Url::parse(answer.header("location")).unwrap();
        let code = location.query_pairs().find(|(name, _)| name == "code");
        code.unwrap_or_else(|| panic!("{location}")).1.into_owned()
    }

    /// A request that waits for a login at this terminal.
    pub async fn parked(&self) -> String {
        let answer = self.get(NameRole::Terminal, &Self::authorize_path(), "").await;
        let base = url::Url::parse("https://portal.invalid/").unwrap();
        let login = base.join(answer.header("location")).unwrap();
        let (_, back) = login.query_pairs().find(|(name, _)| name == "return_to").unwrap();
        let back = base.join(&back).unwrap();
        let (_, id) = back.query_pairs().find(|(name, _)| name == "request").unwrap();
        id.into_owned()
    }

    /// What page, agent and card would send from this terminal.
    pub async fn submission(&self) -> Value {
        let mut desk = another_browser(&self.here, Some(self.browser.clone()));
        let challenge = desk.begin(&self.test, false).await;
        let submission = desk.answer(&challenge, &physician(), |_| {}).await;
        serde_json::to_value(submission).unwrap()
    }

    pub fn page_key(&self) -> Value {
        json!(desk::jwk(&self.here.page_key))
    }

    /// A certification request, base64, as EST wants it.
    pub fn certification_request(&self, common_name: &str) -> Vec<u8> {
        let key = SoftwareKey::generate_p256().unwrap();
        STANDARD.encode(testing::request_of(&key, common_name)).into_bytes()
    }

    /// The same as somebody pastes it.
    pub fn pasted_request(&self, common_name: &str) -> String {
        String::from_utf8(self.certification_request(common_name)).unwrap()
    }

    /// A question about this terminal's certificate.
    pub fn ocsp_question(&self) -> Vec<u8> {
        let issuer = self.app().authority().terminals(self.app().now());
        let serial = &self.here.terminal.certificate.serial;
        OcspQuery::request(issuer.subject(), issuer.public_key_der(), serial, None).unwrap()
    }
}
