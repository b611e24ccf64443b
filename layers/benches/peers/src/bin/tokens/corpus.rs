//! Texts of our own: sentences in ten languages that are put together anew, what this repository says
//! and how it is written, and what programs produce. Each text is the same in each run.

use std::borrow::Cow;

use serde_json::{Value, json};

/// The least that a text has.
const BYTES: usize = 64 * 1024;

/// A text of one kind.
pub struct Text {
    pub kind: Cow<'static, str>,
    /// Whether the heuristic may be off by 15 percent only, and not by 25.
    pub strict: bool,
    pub text: String,
}

/// Chance that is the same in each run.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Parts until there is enough.
fn fill(seed: u64, mut part: impl FnMut(&mut Chance) -> String) -> String {
    let mut chance = Chance::new(seed);
    let mut text = String::with_capacity(BYTES + 1024);
    while text.len() < BYTES {
        text.push_str(&part(&mut chance));
    }
    text
}

fn sentences(seed: u64, all: &[&str], between: &str) -> String {
    fill(seed, |chance| format!("{}{between}", chance.of(all)))
}

fn repeated(parts: &[&str]) -> String {
    let all = parts.join("\n\n");
    all.repeat(BYTES / all.len() + 1)
}

/// What stands in a file.
pub fn of_file(path: String) -> Result<Text, std::io::Error> {
    let text = std::fs::read(&path)?;
    Ok(Text {
        kind: path.into(),
        strict: false,
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

pub fn all() -> Vec<Text> {
    let text = |kind: &'static str, strict, text| Text { kind: kind.into(), strict, text };
    vec![
        text("English prose", true, repeated(PROSE)),
        text("English, everyday", true, sentences(1, ENGLISH, " ")),
        text("code: Rust", true, repeated(CODE)),
        text("JSON, compact", true, json_lines(2, |value| value.to_string())),
        text("JSON, indented", true, json_lines(3, |value| format!("{value:#}"))),
        text("Chinese", true, sentences(4, CHINESE, "")),
        text("emoji", true, emoji(5)),
        text("chat with emoji", true, chat(6)),
        text("Arabic", false, sentences(7, ARABIC, " ")),
        text("Russian", false, sentences(8, RUSSIAN, " ")),
        text("Japanese", false, sentences(9, JAPANESE, "")),
        text("Korean", false, sentences(10, KOREAN, " ")),
        text("Hindi", false, sentences(11, HINDI, " ")),
        text("German", false, sentences(12, GERMAN, " ")),
        text("French", false, sentences(13, FRENCH, " ")),
        text("Swahili", false, sentences(14, SWAHILI, " ")),
        text("Latin", false, sentences(15, LATIN, " ")),
        text("log lines", false, fill(16, log_line)),
        text("numbers", false, fill(17, numbers)),
        text("base64", false, fill(18, base64)),
        text("hexadecimal", false, fill(19, hex)),
        text("white space and braces", false, fill(20, braces)),
        text("assembly", false, fill(21, assembly)),
        text("one letter", false, "a".repeat(BYTES)),
    ]
}

/// What stands in this repository, which was not among what the weights were measured on.
const PROSE: &[&str] = &[
    include_str!("../../../../../../README.md"),
    include_str!("../../../../../../src/guide/architecture.md"),
    include_str!("../../../../../../src/guide/axum.md"),
    include_str!("../../../../../../src/guide/errors.md"),
    include_str!("../../../../../../src/guide/tonic.md"),
];

const CODE: &[&str] = &[
    include_str!("../../../../../src/sse/decoder.rs"),
    include_str!("../../../../../src/timeout/idle.rs"),
    include_str!("../../../../../src/body/guarded.rs"),
    include_str!("../../../../../src/retry/future.rs"),
    include_str!("../../../../../../src/protocol/stream.rs"),
];

const ENGLISH: &[&str] = &[
    "The roses along the old wall opened early this year.",
    "She put the letter on the table and did not read it until the evening.",
    "Nobody in the office knew why the printer only worked on Tuesdays.",
    "If you plant the bulbs in autumn, you will see them in spring.",
    "He asked whether the train would be late again, and of course it was.",
    "Could you explain in simple words how a heat pump works?",
    "The recipe wants two eggs, some flour, and a great deal of patience.",
    "Our team shipped the new version on Friday and regretted it on Saturday.",
    "A good question is worth more than ten quick answers.",
    "The children counted the stars until they fell asleep.",
    "Please summarize the following report in three short paragraphs.",
    "There is a small shop behind the station that sells maps of places that do not exist.",
    "Water finds its way, and so does a rumor.",
    "I would rather walk home in the rain than wait for the bus.",
    "Most of the bees had left before the storm reached the valley.",
    "What would happen to the tides if the moon were twice as heavy?",
];

const CHINESE: &[&str] = &[
    "今年春天，院子里的玫瑰开得特别早。",
    "请用简单的语言解释一下什么是机器学习。",
    "他每天早上都在公园里跑步，然后去喝一杯咖啡。",
    "这家公司去年的收入增长了百分之二十。",
    "如果明天下雨，我们就在家里看电影。",
    "老师让学生们写一篇关于环境保护的文章。",
    "人工智能正在改变我们的工作和生活方式。",
    "妈妈做的红烧肉是我小时候最喜欢吃的菜。",
    "火车晚点了两个小时，大家都很着急。",
    "请把下面这段话翻译成英文，并保持原来的语气。",
    "北京的秋天非常漂亮，到处都是金黄色的树叶。",
    "程序运行时出现了错误，请检查网络连接是否正常。",
    "图书馆里很安静，只听得见翻书的声音。",
    "我们应该尊重不同的文化和传统。",
    "他花了三年时间才完成这部小说。",
    "蜜蜂在花丛中飞来飞去，忙着采集花蜜。",
];

const ARABIC: &[&str] = &[
    "تفتحت الورود في الحديقة مبكرا هذا العام.",
    "من فضلك اشرح لي بكلمات بسيطة كيف يعمل الذكاء الاصطناعي.",
    "ذهبنا إلى السوق واشترينا الخبز والفاكهة الطازجة.",
    "تأخر القطار ساعتين بسبب الأمطار الغزيرة.",
    "كتب المعلم الدرس على السبورة ثم سأل الطلاب عن رأيهم.",
    "يزداد عدد سكان المدينة كل عام بسبب فرص العمل.",
    "كانت جدتي تروي لنا القصص قبل النوم.",
    "يجب علينا أن نحافظ على البيئة من أجل الأجيال القادمة.",
    "أرسلت الشركة تقريرا مفصلا عن نتائج السنة الماضية.",
    "هل يمكنك ترجمة هذه الفقرة إلى اللغة الإنجليزية؟",
    "يشرب أبي القهوة كل صباح وهو يقرأ الجريدة.",
    "سافر العلماء إلى الصحراء لدراسة النجوم.",
];

const RUSSIAN: &[&str] = &[
    "В этом году розы у старой стены расцвели очень рано.",
    "Объясните, пожалуйста, простыми словами, как работает нейронная сеть.",
    "Поезд опоздал на два часа, и все пассажиры были недовольны.",
    "Бабушка каждое лето варила варенье из вишни.",
    "Если завтра будет дождь, мы останемся дома и посмотрим фильм.",
    "Компания опубликовала отчёт о результатах прошлого года.",
    "Он написал письмо, но так и не отправил его.",
    "Учёные обнаружили новую планету в соседней системе.",
    "Дети играли во дворе до самого вечера.",
    "Проверьте подключение к сети и попробуйте ещё раз.",
    "Хороший вопрос стоит дороже десяти быстрых ответов.",
    "В библиотеке было тихо, слышался только шелест страниц.",
];

const JAPANESE: &[&str] = &[
    "今年は庭のバラがとても早く咲きました。",
    "機械学習の仕組みを簡単な言葉で説明してください。",
    "電車が二時間遅れたので、会議に間に合いませんでした。",
    "祖母は毎年夏になると梅干しを作っていました。",
    "明日雨が降ったら、家で映画を見ましょう。",
    "この文章を英語に翻訳していただけますか。",
    "彼は三年かけてやっとその小説を書き上げた。",
    "図書館はとても静かで、ページをめくる音しか聞こえない。",
    "ネットワークの接続を確認して、もう一度お試しください。",
    "子どもたちは夕方まで公園で遊んでいた。",
    "新しいカフェのコーヒーは少し高いけれどおいしいです。",
    "データを保存してからプログラムを終了してください。",
];

const KOREAN: &[&str] = &[
    "올해는 정원의 장미가 아주 일찍 피었습니다.",
    "인공지능이 어떻게 작동하는지 쉬운 말로 설명해 주세요.",
    "기차가 두 시간 늦어서 회의에 참석하지 못했습니다.",
    "할머니는 여름마다 김치를 담그셨다.",
    "내일 비가 오면 집에서 영화를 보자.",
    "다음 문장을 영어로 번역해 주시겠습니까?",
    "그는 삼 년 만에 그 소설을 완성했다.",
    "도서관은 조용해서 책장을 넘기는 소리만 들렸다.",
    "네트워크 연결을 확인하고 다시 시도해 주세요.",
    "아이들은 저녁까지 공원에서 놀았다.",
    "회사는 지난해 실적에 대한 보고서를 발표했습니다.",
    "우리는 서로 다른 문화를 존중해야 합니다.",
];

const HINDI: &[&str] = &[
    "इस साल बगीचे में गुलाब बहुत जल्दी खिल गए।",
    "कृपया सरल शब्दों में समझाइए कि मशीन लर्निंग कैसे काम करती है।",
    "ट्रेन दो घंटे देर से आई और सभी यात्री परेशान थे।",
    "दादी हर गर्मी में आम का अचार बनाती थीं।",
    "अगर कल बारिश हुई तो हम घर पर फिल्म देखेंगे।",
    "क्या आप इस अनुच्छेद का अंग्रेजी में अनुवाद कर सकते हैं?",
    "बच्चे शाम तक मैदान में खेलते रहे।",
    "कंपनी ने पिछले साल के परिणामों की रिपोर्ट प्रकाशित की।",
    "पुस्तकालय में इतनी शांति थी कि केवल पन्ने पलटने की आवाज आती थी।",
    "हमें आने वाली पीढ़ियों के लिए पर्यावरण की रक्षा करनी चाहिए।",
];

const GERMAN: &[&str] = &[
    "Die Rosen an der alten Mauer sind dieses Jahr besonders früh aufgeblüht.",
    "Bitte erkläre mir in einfachen Worten, wie eine Wärmepumpe funktioniert.",
    "Der Zug hatte zwei Stunden Verspätung, und niemand wusste, warum.",
    "Meine Großmutter kochte jeden Sommer Kirschmarmelade ein.",
    "Wenn es morgen regnet, bleiben wir zu Hause und sehen uns einen Film an.",
    "Die Geschäftsführung veröffentlichte den Bericht über das vergangene Jahr.",
    "Überprüfen Sie die Netzwerkverbindung und versuchen Sie es noch einmal.",
    "Eine gute Frage ist mehr wert als zehn schnelle Antworten.",
    "Die Straßenbahnhaltestelle liegt gleich hinter dem Krankenhaus.",
    "Im Lesesaal war es so still, dass man nur das Umblättern der Seiten hörte.",
];

const FRENCH: &[&str] = &[
    "Les roses du vieux mur ont fleuri très tôt cette année.",
    "Pourriez-vous m'expliquer simplement comment fonctionne une pompe à chaleur ?",
    "Le train avait deux heures de retard et personne ne savait pourquoi.",
    "Ma grand-mère faisait de la confiture de cerises chaque été.",
    "S'il pleut demain, nous resterons à la maison pour regarder un film.",
    "L'entreprise a publié son rapport sur les résultats de l'année passée.",
    "Vérifiez la connexion au réseau et réessayez.",
    "Une bonne question vaut mieux que dix réponses rapides.",
    "Les enfants ont compté les étoiles jusqu'à ce qu'ils s'endorment.",
    "Il a mis trois ans à terminer ce roman.",
];

const SWAHILI: &[&str] = &[
    "Mwaka huu maua ya waridi yamechanua mapema sana.",
    "Tafadhali nieleze kwa maneno rahisi jinsi mashine inavyojifunza.",
    "Treni ilichelewa kwa saa mbili na abiria wote walikasirika.",
    "Bibi yangu alikuwa akipika chakula kitamu kila siku.",
    "Kama mvua itanyesha kesho, tutabaki nyumbani.",
    "Watoto walicheza uwanjani mpaka jioni.",
    "Swali zuri lina thamani kuliko majibu kumi ya haraka.",
    "Mwalimu aliandika somo ubaoni kisha akawauliza wanafunzi.",
];

const LATIN: &[&str] = &[
    "Rosae hortum veterem mature hoc anno ornaverunt.",
    "Magister discipulos rogavit cur litterae tam difficiles essent.",
    "Post multos annos nauta in patriam rediit et filium suum non agnovit.",
    "Aqua viam suam semper invenit, quamvis saxa obstent.",
    "Bona quaestio plus valet quam decem responsa celeria.",
    "Pueri stellas numerabant donec somno victi sunt.",
    "Nemo sciebat quo consilio imperator legiones in montes duxisset.",
    "Apes ante tempestatem in alvearia sua redierunt.",
];

const WORDS: &[&str] = &[
    "rose", "garden", "order", "price", "stream", "window", "quick", "paper", "yellow", "signal",
    "delivery", "summer", "invoice", "network", "customer", "harvest", "cloud", "bottle", "station",
    "request",
];

const NAMES: &[&str] = &[
    "id", "name", "items", "createdAt", "user_id", "price", "tags", "status", "message", "total",
    "email", "count", "parent", "is_active", "description", "url",
];

fn words(chance: &mut Chance, most: usize) -> String {
    let count = 1 + chance.below(most);
    let words: Vec<_> = (0..count).map(|_| *chance.of(WORDS)).collect();
    words.join(" ")
}

fn value(chance: &mut Chance, depth: usize) -> Value {
    match chance.below(if depth > 3 { 6 } else { 9 }) {
        0 => json!(chance.below(1_000_000)),
        1 => json!(chance.below(100_000) as f64 / 100.0),
        2 => json!(chance.below(2) == 0),
        3 => Value::Null,
        4 | 5 => json!(words(chance, 8)),
        6 => (0..1 + chance.below(4)).map(|_| value(chance, depth + 1)).collect(),
        _ => {
            let members = (0..1 + chance.below(5))
                .map(|_| ((*chance.of(NAMES)).to_owned(), value(chance, depth + 1)));
            Value::Object(members.collect())
        }
    }
}

fn json_lines(seed: u64, show: impl Fn(&Value) -> String) -> String {
    fill(seed, |chance| {
        let object = json!({ "data": value(chance, 0), "meta": value(chance, 1) });
        show(&object) + "\n"
    })
}

const SEQUENCES: &[&str] = &[
    "👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "❤️", "☀️", "✈️", "🇫🇷", "🇯🇵", "1️⃣", "🧑🏿‍🎓", "☕",
];

fn one_emoji(chance: &mut Chance) -> String {
    let blocks = [(0x1F600, 0x45), (0x1F300, 0x20), (0x1F400, 0x3E), (0x1F680, 0x45), (0x1F910, 0x29)];
    if chance.below(5) == 0 {
        return (*chance.of(SEQUENCES)).to_owned();
    }
    let (first, length) = *chance.of(&blocks);
    let code = first + chance.below(length) as u32;
    char::from_u32(code).map(String::from).unwrap_or_default()
}

fn emoji(seed: u64) -> String {
    fill(seed, |chance| {
        let between = *chance.of(&["", "", "", " ", "\n"]);
        one_emoji(chance) + between
    })
}

fn chat(seed: u64) -> String {
    fill(seed, |chance| {
        let said = *chance.of(ENGLISH);
        format!("{said} {}{}\n", one_emoji(chance), one_emoji(chance))
    })
}

fn log_line(chance: &mut Chance) -> String {
    let level = *chance.of(&["INFO", "WARN", "DEBUG", "ERROR"]);
    let (hour, minute, second) = (chance.below(24), chance.below(60), chance.below(60));
    format!(
        "2026-03-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z {level} upstream: {} took {}ms id={:08x}\n",
        1 + chance.below(28),
        chance.below(1000),
        words(chance, 5),
        chance.below(5000),
        chance.below(u32::MAX as usize),
    )
}

fn numbers(chance: &mut Chance) -> String {
    let places = 1 + chance.below(9);
    let number = chance.below(10_usize.pow(places as u32));
    let between = *chance.of(&[" ", ", ", "\n", "\t"]);
    match chance.below(3) {
        0 => format!("{number}{between}"),
        1 => format!("{}.{:02}{between}", number, chance.below(100)),
        _ => format!("-{number}{between}"),
    }
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(chance: &mut Chance) -> String {
    let letters = (0..76).map(|_| char::from(*chance.of(BASE64)));
    letters.chain(['\n']).collect()
}

fn hex(chance: &mut Chance) -> String {
    let length = *chance.of(&[8, 32, 40, 64]);
    let digits = (0..length).map(|_| char::from(*chance.of(b"0123456789abcdef")));
    digits.chain([' ']).collect()
}

fn braces(chance: &mut Chance) -> String {
    let line = *chance.of(&["}", "{", "});", "else {", "return;", "", "// done", "items.push(item);"]);
    format!("{}{line}\n", " ".repeat(4 * chance.below(9)))
}

fn assembly(chance: &mut Chance) -> String {
    let names = ["mov", "add", "xor", "cmp", "lea", "push", "jne", "call", "test", "sub"];
    let registers = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r12", "rbp", "rsp"];
    format!(
        "  {:6x}:\t{:<6} {}, [{}+0x{:x}]\n",
        chance.below(0x00FF_FFFF),
        chance.of(&names),
        chance.of(&registers),
        chance.of(&registers),
        chance.below(256),
    )
}
