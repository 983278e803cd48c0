"""What keys and tokens look like, provider by provider, as their documentation and their users show them.

Only facts stand here; how they are looked for is told in ``secret_keys``.
"""

from __future__ import annotations

PREFIXES: dict[str, int] = {
    # Models, and what is built around them. `sk-` is OpenAI's (proj, svcacct, admin), Anthropic's, OpenRouter's,
    # DeepSeek's, Langfuse's, LiteLLM's and many others'.
    **dict.fromkeys(("sk-", "sk_", "pk-lf-", "fw_", "lsv2_", "tvly-", "ctx7sk-", "hl_sk_", "mxb_", "tpuf_"), 16),
    **dict.fromkeys(("xai-", "gsk_", "hf_", "api_org_", "r8_", "pplx-", "pcsk_", "ls__", "e2b_", "jina_"), 18),
    **dict.fromkeys(("nvapi-", "csk-", "llx-", "nk-", "rpa_", "cpk_", "bb_live_", "bb_test_", "apify_api_"), 18),
    **dict.fromkeys(("wandb_v1_", "pylf_v1_", "opk_", "esecret_", "alcht_", "arc_", "luma-", "ste-", "rsk_"), 16),
    **dict.fromkeys(("fc-", "m0-", "ck-", "pl_", "tl_", "pa-", "sess-", "ak-", "as-", "ak_", "key_", "fpk_"), 24),
    **dict.fromkeys(("AIza", "AQ.Ab", "ABSK", "bedrock-api-key-", "ALTAK-", "zpka_", "unkey_", "m0sk_"), 16),
    **dict.fromkeys(("tgp_v1_", "flp_", "signkey-", "tr_dev_", "tr_prod_", "polar_oat_", "rh-api-", "thog-agent-"), 16),
    **dict.fromkeys(("ydc-sk-", "bt-st-", "crsr_", "pb_", "tnt_", "zwt_", "zqt_", "rf_", "KGAT_"), 20),
    **dict.fromkeys(("n8n_api_", "dataset-", "pat_", "sat_", "cztei_", "al-", "mint_", "bce-v3/"), 20),
    **dict.fromkeys(("xaat-", "xapt-", "gsk-", "sk1-", "pk-helicone-", "sk-helicone-", "sk_car_", "key-"), 20),
    # Clouds and hosts.
    **dict.fromkeys(("ya29.", "GOCSPX-", "1//0", "dop_v1_", "doo_v1_", "dor_v1_", "dos_v1_", "da2-"), 18),
    **dict.fromkeys(("LTAI", "AKID", "AKLT", "JDC_", "HRKU-", "fo1_", "fm1r_", "fm1a_", "fm2_", "tskey-"), 12),
    **dict.fromkeys(("hvs.", "hvb.", "hvr.", "pul-", "ops_eyJ", "SWMTKN-1-", "dnkey-", "nfp_", "nfc_", "nfo_"), 18),
    **dict.fromkeys(
        ("rnd_", "sbp_", "sb_secret_", "sb_publishable_", "sbp_oauth_", "napi_", "vcp_", "vca_", "vci_"), 16
    ),
    **dict.fromkeys(("vcr_", "vck_", "pscale_tkn_", "pscale_oauth_", "pscale_pw_", "mdb_sa_sk_", "cosmo_"), 16),
    **dict.fromkeys(
        ("dvc_server_", "dvc_client_", "dvc_mobile_", "AVNS_", "npg_", "AIK_CI_", "prf_cli_", "xapp-", "AKC"), 10
    ),
    **dict.fromkeys(("dapi", "dkea", "dose", "dosa", "doso"), 20),
    **dict.fromkeys(("akab-", "amzn.mws.", "amzn1.oa2-cs.v1.", "AQVN", "y0_", "YCAJE", "YCN", "cfut_", "cfat_"), 20),
    **dict.fromkeys(("v1.0-", "YCP", "exo", "EXO", "SCW", "fnA", "scw-", "ico-", "essu_", "sha256~"), 24),
    **dict.fromkeys(("ucat_", "cbkey_", "dbtc_", "dbtu_", "cflt", "QN_", "zpka_", "dagster:", "nsct_"), 20),
    **dict.fromkeys(("aivenv1", "sts.", "kpat_", "spat_", "gta_", "depot_", "nvct_", "edgedb"), 24),
    # Code: hosts, builds, registries.
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "sgp_", "sgs_", "slk_"), 16),
    **dict.fromkeys(("glpat-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glffct-", "glimt-"), 16),
    **dict.fromkeys(("glagent-", "glsoat-", "gloas-", "glwt-", "glpt-", "_gitlab_session=", "GR1348941"), 16),
    **dict.fromkeys(("ATBB", "ATCTT3", "ATATT3", "ATSTT3", "ATTA", "BBDC-", "bkua_", "CCIPAT_", "CCIPRJ_"), 20),
    **dict.fromkeys(("sqp_", "squ_", "sqa_", "dckr_pat_", "dckr_oat_", "npm_", "pypi-", "rubygems_", "CLOJARS_"), 20),
    **dict.fromkeys(("cmVmdGtuO", "reftkn", "snyk_", "tfp_", "jfrt_", "cpat_", "expo_"), 24),
    **dict.fromkeys(("aio_", "p8e-", "cnvca", "CCDB1_", "isat_", "lmb_", "lma_", "md-", "xau_", "vtwn_", "tss_"), 20),
    **dict.fromkeys(("samsara_api_", "sindri_", "rootly_", "pina_"), 16),
    **dict.fromkeys(("bkct_", "bkpt_", "bkaj_", "oc_", "gitea_", "figo-", "npmS_", "hexpm_", "cargo_"), 20),
    # Chat and mail.
    **dict.fromkeys(("os_v2_app_", "os_v2_org_", "WPL_AP1.", "xoxe.", "clt.", "plainApiKey_"), 18),
    **dict.fromkeys(("xkeysib-", "xsmtpsib-", "mfa.", "dG9rOj", "pubkey-", "EZAK", "EZTK", "nyk_"), 18),
    # Money and shops.
    **dict.fromkeys(
        (
            "sk_live_",
            "sk_test_",
            "sk_prod_",
            "rk_prod_",
            "rk_live_",
            "rk_test_",
            "pk_live_",
            "pk_test_",
            "whsec_",
            "sk_org_",
        ),
        10,
    ),
    **dict.fromkeys(("shpat_", "shpca_", "shppa_", "shpss_", "shpua_", "shippo_live_", "shippo_test_", "bxt_"), 20),
    **dict.fromkeys(("FLWSECK-", "FLWPUBK-", "FLWSECK_TEST-", "FLWPUBK_TEST-", "rzp_live_", "rzp_test_"), 12),
    **dict.fromkeys(("duffel_live_", "duffel_test_", "xnd_production_", "xnd_development_", "EAAA", "EAA"), 24),
    **dict.fromkeys(("access-production-", "access-sandbox-", "access-development-", "live_", "test_", "pk_"), 24),
    **dict.fromkeys(("pdl_live_apikey_", "pdl_sdbx_apikey_", "secret-live-", "secret-test-", "AQE"), 18),
    **dict.fromkeys(("Mid-server-", "persona_production_", "persona_sandbox_", "ramp_sec_", "salad_cloud_"), 16),
    **dict.fromkeys(("ck_live_", "ck_test_", "cal_live_", "cal_test_", "key_live_"), 16),
    **dict.fromkeys(("key_test_", "secret_live_", "secret_test_", "testsk_", "sbx:", "prd:"), 16),
    **dict.fromkeys(("pk_prod_", "dk_prod_", "appl_", "goog_", "amzn_", "strp_", "rcb_", "mercury_"), 20),
    # Watching, working together, identity.
    **dict.fromkeys(("NRAK-", "NRII-", "NRJS-", "NRBR-", "NRSP-", "NRRA-", "glsa_", "glc_", "PMAK-", "PMAT-"), 14),
    **dict.fromkeys(("sntrys_", "sntryu_", "sntrya_", "sntryi_", "phc_", "phx_", "pha_", "phr_", "phs_"), 18),
    **dict.fromkeys(("hcaik_", "hcamk_", "hcbik_", "lin_api_", "lin_oauth_", "ntn_", "secret_", "figd_", "figo_"), 20),
    **dict.fromkeys(("figu_", "pat-na1-", "pat-eu1-", "waka_", "fio-u-", "pnu_", "pnb_", "CFPAT-", "rdme_"), 20),
    **dict.fromkeys(("tk-us-", "sm_aat_", "sm_pat_", "sm_sat_", "ory_at_", "ory_rt_", "ory_pat_", "ory_st_"), 16),
    **dict.fromkeys(("pub-c-", "sub-c-", "sec-c-", "s-s4t2", "BBFF-", "TlRMTVNTUA", "xprv", "secret-"), 16),
    **dict.fromkeys(("y1_", "y2_", "y3_", "vk1.a.", "APP_USR-", "cfsk_ma_", "SB-Mid-server-", "sup_sk_"), 20),
    **dict.fromkeys(("THAA", "IGAA", "gAAAAA", "CfDJ8", "MDAx", "b3BlbnNzaC1rZXkt", "AgAAAAA", "GOOG1"), 24),
    **dict.fromkeys(("fhb-", "configcat-sdk-1/", "y_NbAk", "ddapi_", "ddpat_", "elk_"), 20),
    **dict.fromkeys(("IGQV", "IGQWR", "AAAAAAAAAAAAAAAAAAAAA", "AGE-SECRET-KEY-1", "cu_", "API-"), 24),
}
"""Beginnings of keys, and how many characters at least follow in letters, digits, ``_`` and ``-``."""

_W = "[A-Za-z0-9_-]"
_B64 = "[A-Za-z0-9+/_-]"
_PADDED = "[A-Za-z0-9+/_=-]"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ENDS = "(?![A-Za-z0-9])"

FORMS: tuple[str, ...] = (
    # AWS: ids of keys, in base 32.
    rf"A(?:KIA|SIA|BIA|CCA|IDA|ROA|PKA|GPA|NPA|NVA|SCA|3T[A-Z0-9])[A-Z0-9]{{16,17}}{_ENDS}",
    # JSON in base64: web tokens, signed or not, whole or cut off; the keys of Grafana and others.
    rf"eyJ{_PADDED}{{8,}}(?:\.{_PADDED}{{0,4096}}){{1,5}}",
    rf"e(?:yJ|yAi|woi|wog|w0K){_PADDED}{{40,}}",
    rf"W(?:yJ|3si|wp7|wog|w0K|3sK){_B64}{{60,}}={{0,2}}",
    rf"v[1-4]\.(?:public|local)\.{_W}{{15,}}(?:\.{_W}{{1,512}})?",
    rf"k[1-4]\.(?:local|secret)(?:-pw)?\.{_W}{{15,}}",
    rf"(?:MHcCAQEE|MC4CAQAwBQYDK2Vw){_B64}{{20,}}",
    # Slack, Discord, Twilio, SendGrid, Mailgun, Resend.
    r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{6,}",
    rf"[MNO]{_W}{{22,27}}\.{_W}{{6}}\.{_W}{{27,40}}",
    rf"(?:SK|AC)(?:[0-9a-z]{{32}}|[0-9A-F]{{32}}){_ENDS}",
    rf"SG\.{_W}{{16,}}(?:\.{_W}{{4,}})?",
    rf"key-[0-9a-z]{{32}}{_ENDS}",
    r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}",
    rf"ey[A-Za-z0-9]{{15,}}\.ey{_B64}{{10,}}(?:\.{_PADDED}{{0,4096}})?",
    r"xoxd-[A-Za-z0-9%/+=_-]{20,}",
    r"(?:endr\+|AstraCS:|u\+|CAIS)[A-Za-z0-9+/=_:-]{16,}",
    # Clouds and vaults.
    r"dp\.(?:pt|st|ct|sa|scim|audit|said)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{20,}",
    r"A3-[A-Z0-9]{6}-[A-Z0-9]{6,11}(?:-[A-Z0-9]{5}){2,5}",
    rf"t1\.{_W}{{20,}}={{0,2}}\.{_W}{{20,}}={{0,2}}",
    rf"sl\.(?:u\.)?{_W}{{40,}}",
    # Money, sales, watching, work.
    r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-z]{32}",
    rf"sq0[a-z]{{3}}-{_W}{{14,}}",
    r"3MVG[A-Za-z0-9_.]{24,}",
    r"00D[A-Za-z0-9]{9,15}![A-Za-z0-9_.]{24,}",
    r"dt0[A-Za-z][0-9]{2}\.[A-Z0-9]{24}(?:\.[A-Z0-9]{4,})?",
    r"pat[A-Za-z0-9]{14}\.[0-9a-f]{20,}",
    rf"(?:sdk|api|mob|rel)-{_UUID}",
    rf"oy2[a-z0-9]{{43}}{_ENDS}",
    rf"cio[A-Za-z0-9]{{32}}{_ENDS}",
    rf"BSA{_W}{{27,29}}{_ENDS}",
    r"KEY[0-9A-F]{32}_[A-Za-z0-9]{16,}",
    r"1000\.[0-9a-f]{32}\.[0-9a-f]{32}",
    r"api_(?:live|sandbox|test)(?:_[a-z]{2})?\.[A-Za-z0-9_.-]{16,}",
    rf"(?:mlsn|ser|VF\.DM|na1)\.{_W}{{16,}}(?:\.{_W}{{8,}})?",
    r"(?:PRD|SBX)-[a-z0-9]{9,12}(?:-[a-z0-9]{4,12}){3,5}",
    rf"S[ACNOUX][A-Z2-7]{{40,}}{_ENDS}",
    rf"[5KL][1-9A-HJ-NP-Za-km-z]{{50,51}}{_ENDS}",
    # Personal tokens of Jira and Confluence: base64 of digits, a colon, and random bytes.
    rf"[MNO][ADQTgjwz][AEIMQUYcgk][0-5w-z]{_W}{{40}}(?![A-Za-z0-9_-])",
    rf"wx[0-9a-f]{{16}}{_ENDS}",
    rf"4b1d[A-Za-z0-9]{{38}}{_ENDS}",
    rf"c[ks]_[0-9a-f]{{40}}{_ENDS}",
    r"00[A-Za-z][A-Za-z0-9_-]{39}(?![A-Za-z0-9_-])",
    r"[sbr]\.(?=[A-Za-z]{0,23}[0-9])[A-Za-z0-9]{24}(?![A-Za-z0-9_(.])",
    rf"(?:IQoJb3JpZ2lu|F[wQ]oGZXIvYXdz){_PADDED}{{40,}}",
    rf"GOOG[A-Z0-9]{{20,57}}{_ENDS}",
    rf"SEC[0-9a-f]{{64}}{_ENDS}",
    r"6L[A-Za-z0-9_-]{38}(?![A-Za-z0-9_-])",
    rf"4/0A{_W}{{30,}}",
    rf"[01]\.A{_W}{{40,}}",
    rf"[ps]k\.{_W}{{40,}}\.{_W}{{20,}}",
    rf"(?:pat|sat)\.{_W}{{22}}\.[0-9a-f]{{24}}\.[A-Za-z0-9]{{20}}",
    rf"secret-token:{_W}{{16,}}",
    r"django-insecure-[^\s\"']{24,}",
    r"base64:[A-Za-z0-9+/]{43}=",
    # Personal tokens of Azure DevOps and seeds of one-time passwords: base32.
    rf"(?=[a-z]{{0,50}}[2-7][a-z2-7]{{0,50}}[a-z])[a-z2-7]{{52}}{_ENDS}",
    rf"(?=[A-Z]{{0,24}}[2-7]{{1,3}}[A-Z]{{1,24}}[2-7])[A-Z2-7]{{26,64}}{_ENDS}",
    # Tokens of Twitter: the number of the user comes first.
    rf"[0-9]{{7,20}}-(?![0-9a-f]{{40}})[A-Za-z0-9]{{40}}{_ENDS}",
    # Hashes of passwords, as files of users hold them.
    r"\$(?:2[abxy]|[156789]|14|y|[PHS]|apr1|argon2(?:id|i|d)|scrypt|pbkdf2-sha[0-9]{1,3})\$[A-Za-z0-9./+=,$-]{20,}",
    r"(?:pbkdf2_sha(?:1|256|512)|bcrypt_sha256|pbkdf2:sha(?:1|256|512)(?::[0-9]{1,8})?|scrypt:[0-9:]{1,20})\$[A-Za-z0-9./+=,$]{20,}",
)
"""Regular expressions of keys that begin in a way of their own."""

HINTED_FORMS: tuple[tuple[str, str], ...] = (
    ("hooks.slack", r"(?:https?://)?hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/+-]{6,}"),
    (
        "webhooks/",
        r"(?:https?://)?(?:[a-z]{1,12}\.)?discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/[0-9]{8,24}/[A-Za-z0-9_-]{20,}",
    ),
    ("webhookb2", r"(?:https?://)?(?:[a-z0-9-]{1,40}\.)?webhook\.office\.com/webhookb2/[A-Za-z0-9@/_-]{40,}"),
    ("hooks/catch", r"(?:https?://)?hooks\.zapier\.com/hooks/catch/[A-Za-z0-9/]{10,}"),
    ("maker.ifttt", r"(?:https?://)?maker\.ifttt\.com/[\w./-]{1,80}/key/[\w-]{16,}"),
    (":", rf"[0-9]{{8,11}}:{_W}{{35}}(?![A-Za-z0-9_-])"),
    ("-", r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?![A-Za-z0-9-])"),
    ("-us", rf"{_W}{{32}}-us[0-9]{{1,2}}{_ENDS}"),
    ("|", rf"[0-9]{{12,18}}\|{_W}{{24,40}}"),
    (":APA91b", rf"{_W}{{8,64}}:APA91b{_W}{{80,}}"),
    ("Q~", r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"),
    ("JQQJ99", r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,30}"),
    ("Atz", rf"Atz[ar]\|{_W}{{20,}}"),
    (
        "hook",
        rf"https?://[^\s/]{{0,80}}[^\s]{{0,120}}?hook[^\s]{{0,120}}?/(?P<value>(?=[A-Za-z_-]{{0,60}}[0-9])(?=[0-9_-]{{0,60}}[A-Za-z]){_W}{{20,}})",
    ),
    ("*", r"(?<![A-Za-z0-9*])\*[0-9A-F]{40}(?![0-9A-Fa-f])"),
    (":", rf"(?<!:)[0-9a-f]{{32}}:[0-9a-f]{{32}}{_ENDS}(?!:)"),
    ("=", r"(?<!512[-:=])(?<!512=:)[A-Za-z0-9+/]{86}=="),
    # Keys of Azure's services carry the name of the service within.
    *(
        (name, rf"{_B64}{{30,76}}{name}{_B64}{{4,8}}={{0,2}}")
        for name in ("AzFu", "APIM", "ACDb", "AzSe", "AzCa", "AIoT", "AZDO")
    ),
    *(
        (name, rf"{_B64}{{30,76}}\{name}{_B64}{{5,8}}={{0,2}}")
        for name in ("+ASt", "+ABa", "+AMC", "+AEh", "+ARm", "+ACR", "+ASb")
    ),
    (".atlasv1.", rf"{_W}{{10,16}}\.atlasv1\.{_W}{{20,}}"),
    ("NRAL", rf"[0-9a-z]{{30,40}}NRAL{_ENDS}"),
    ("/", rf"[0-2]/[0-9]{{10,20}}(?:/[0-9]{{10,20}})?:[0-9a-f]{{32}}{_ENDS}"),
    ("AAAAAAAAAA", r"[A-Za-z0-9]{10,13}A{10,12}[A-Za-z0-9]{40,46}"),
    ("-", rf"[0-9A-Z]{{5}}(?:-[0-9A-Z]{{5}}){{4}}{_ENDS}"),
    ("_mmk", r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),
    ("jsn", r"[0-9a-z]{10}msh[0-9a-z]{15}p1[0-9a-z]{6}jsn[0-9a-z]{12}"),
    (":", rf"{_UUID}:[0-9a-f]{{32}}{_ENDS}"),
    (":", rf"[0-9a-f]{{24}}:[0-9a-f]{{64}}{_ENDS}"),
    (":", rf"[A-Za-z0-9_-]{{6}}\.[A-Za-z0-9_-]{{6}}:{_W}{{43}}"),
    (":", r"[a-z0-9*_-]{1,40}:[a-z]{2,20}\.[0-9a-f]{56,64}"),
    ("|", rf"OC\|[0-9]{{10,20}}\|{_W}{{16,}}"),
    (".", rf"[0-9a-f]{{32}}\.[A-Za-z0-9]{{16}}{_ENDS}"),
)
"""A part that the text must hold, and a regular expression; what is masked is its group ``value`` or all of it."""

LONG_FORMS: tuple[tuple[str, str], ...] = (
    # Keys in DER without the lines around them.
    ("MI", r"MI[IGEM][A-Za-z0-9+/_-][A-Za-z0-9+/=\r\n]{60,}"),
    ("$ANSIBLE_VAULT", r"\$ANSIBLE_VAULT;[0-9.]{1,8};AES256[^\r\n]{0,64}(?P<value>[0-9a-f\s]{40,})"),
    ("{", r"\{(?:SSHA|SHA|SMD5|PBKDF2|CRYPT|BCRYPT|SSHA(?:256|512))\}[A-Za-z0-9./+=$]{20,}"),
    ("FlyV1 ", rf"FlyV1 {_PADDED}{{16,}}(?:,{_PADDED}{{8,}}){{0,32}}"),
    ("LS0tLS1CRUdJTi", r"LS0tLS1CRUdJTi[A-Za-z0-9+/=\r\n]{16,}"),
    ("Private-Lines", r"Private-Lines: [0-9]{1,4}\s{1,2}(?P<value>[A-Za-z0-9+/=\s]{40,})"),
)
"""Forms that go on over spaces and line breaks."""

_KEY_WORDS = (
    "sk pk rk pat key apikey api tok token secret live sec auth access refresh priv private pwd password svc srv "
    "secretkey sandbox production uat sa oauth ci cli personal bot mgmt sdk dev stg staging application bearer cred "
    "webhook"
)
KEY_WORDS = frozenset(_KEY_WORDS.split())
"""Words within a key that tell what it is, in keys of providers that nobody has listed."""

_ID_HEADS = (
    "chatcmpl cmpl msg toolu tool call req request resp response rs fc run thread asst file batch step msgbatch gen "
    "trace span evt event cus ch pi pm price sub si in seti prod prodtest acct id uuid sha sha1 sha224 sha256 sha384 "
    "sha512 md5 hash etag ftjob ft vs conv item ws ctr container session sess chat embd modr img audio vid cache user "
    "org proj project task job node pod build release commit rev ref blob tree doc page row obj item srvtoolu ws "
    "data image video font style css js chunk main index vendor bundle module webpack static assets media class test "
    "wrkspc rlg cs cluster instance snapshot volume subnet vpc eni ami sg igw rtb nat lb arn stack pr pull"
)
ID_HEADS = frozenset(_ID_HEADS.split())
"""What ids begin with that are no secrets."""

_VENDORS = (
    "1password ably abuseipdb activecampaign adafruit adobe adyen adzuna aerisapi affinda agora ai21 aikido "
    "aimlapi airbrake airbyte airnow airtable aiven akamai akeyless alchemy alephalpha aletheia algolia alibaba "
    "alienvault aliyun alphavantage amadeus ambee americanexpress amplitude ansible anthropic anypoint anyscale "
    "apideck apiflash apify apilayer apininjas apitemplate apollo appcenter appcues appdynamics appfollow "
    "appointedd appoptics appsflyer appveyor appwrite arangodb arcgis arize artifactory aruba asaas asana "
    "assembla assemblyai astronomer atlassian attentive audiomack auth0 authentik authress authy autodesk "
    "autoklose autopilot avalara avaza aviationstack aws_secret axonaut aylien ayrshare azure backblaze "
    "backendless baidu balena bamboohr bandwidth_ bannerbear baremetrics basecamp baseten beamer beebole bentoml "
    "besnappy besttime betterstack beyondtrust bigcommerce bildr binance bing_ bitbucket bitcoinaverage bitfinex "
    "bitly bitmex bitpay bitquery bitrise bitstamp bittrex bitwarden blazemeter blitapp blockfrost blocknative "
    "bluesky bluesnap bombbomb boostnote borgbase botpress braintree branch.io brandfetch braze brevo bridgecrew "
    "brightdata browserbase browserless browserstack bscscan bugsnag buildkite bunny.net buttondown bybit "
    "byteplus bytescale caflou calendarific calendly callrail campayn canva capsulecrm captaindata "
    "carboninterface cartesia cartodb cashboard caspio castingwords catchpoint censys centralstation cerebras "
    "chargebee chartmogul checkly checkmarx checkout.com checkvist cherryservers cicero circleci clarifai "
    "clearbit clerk clevertap clickatell clickhelp clickhouse clickmeter clicksend clickup clientary clinchpad "
    "clockify clockwork cloudability cloudant cloudconvert cloudelements cloudflare cloudimage cloudinary "
    "cloudmersive cloudplan cloudsmith cloverly cloze clustdoc cockroach codacy codeberg codeclimate codecov "
    "codemagic codequiry cohere cohesity coinapi coinbase coingecko coinlib coinmarketcap cometml commercetools "
    "companyhub composio configcat confluence confluent contabo contentful contentstack conversiontools "
    "convertapi convertkit copyscape couchbase couchdb countly covalent coveralls craftmypdf cronitor "
    "crossbrowser crowdin crowdstrike crunchbase cryptocompare currencylayer customer.io customerguru customerio "
    "cyberark cyclic d7network dailymotion dandelion dashlane dashscope data.gov databricks datadog datagov "
    "datarobot datastax dbt_ debounce deepai deepgram deepinfra deepl deepseek deepsource defectdojo delighted "
    "delinea demio deno_deploy dependabot deployhq descope detectlanguage devcycle dfuse diffbot diggernaut "
    "digicert digitalocean dingtalk directus discord disqus dnscheck dnsimple dockerhub docparser documo "
    "docusign doppler dotdigital drata droneci dropbox duckduckgo duo_ duosecurity duply dwolla dynadot "
    "dynatrace dyspatch eagleeye easyinsight easypost ebay ecostruxure edamam elastic_ elasticcloud elasticemail "
    "elevenlabs emailable emailoctopus enablex endor engagebay enigma epicgames epsagon equinix esignatures "
    "etherscan ethplorer etsy eventbrite everhour exa_ exchangerate exoscale exportsdk extractorapi eyeson "
    "facebook faceplusplus facepp falai fastforex fastly fastspring fauna feedier feishu fibery figma figshare "
    "filestack financialmodelingprep findl finicity finnhub firebase firecrawl firehydrant fireworks fixer.io "
    "flagsmith flatfile flickr flightapi flightaware flightlabs flightstats floatapp flowflu flutter_ "
    "flutterwave fly.io flyio fmfw forgerock formbucket formio formsite formspree fossa foursquare frame.io "
    "freshbooks freshchat freshdesk freshservice friendli frontegg fullcontact fullstory fusionauth fxmarket "
    "gamesparks genesys gengo geoapify geocodify geocodio geonames gerrit getaway getemails getgeoapi getgist "
    "getresponse getsandbox ghost_ giantswarm giphy gitbook gitbutler gitea gitee gitguardian github gitkraken "
    "gitlab gitpod gitter gladia glassnode gocardless gong.io goodday google grafana grafbase graphhopper "
    "gravatar greenhouse groovehq groq gtmetrix gumroad gupshup gyazo habitica happi harbor_ hashicorp hasura "
    "helicone helius hellosign helpcrunch helpscout here_api hereapi heroku hetzner heygen highnote hive_ hivemq "
    "holidayapi holistic honeybadger honeycomb hookdeck hootsuite host_io hotjar html2pdf hubspot huggingface "
    "humanloop hume_ hybiscus hyperbolic hypertrack ibm_cloud ibmcloud iconfinder ideogram iexcloud imagekit "
    "imagga imgix imgur incident.io infisical influxdb infobip infracost infura inngest insightly instabug "
    "instagram instamojo instatus integromat intercom intra42 intrinio invoiceocean ionos ipapi ipdata "
    "ipgeolocation ipify ipinfo ipquality ipstack isitwp iterable jenkins jfrog jina.ai jira jotform jumpcloud "
    "justcall kaggle kairos kakao kaleyra kamatera kanbantool keen.io keeper_ keycdn keygen kickbox kinde klarna "
    "klaviyo klipfolio kount koyeb kraken kucoin kusto lacework landbot langchain langfuse langsmith larksuite "
    "lastfm lastpass launchable launchdarkly leadfeeder lemlist lemonsqueezy lendflow lessannoying lexigram "
    "line_channel linear_api linearapi linearb linenotify linkedin linkpreview linode litellm liveagent "
    "liveblocks livechat livekit livestorm lmnt loadmill lob localytics locationiq logdna logentries loggly "
    "loginradius logmein logrocket logzio lokalise looker loops_ lunarcrush lunchmoney magento magic_link "
    "mailboxlayer mailchimp mailerlite mailersend mailgun mailjet mailmodo mailsac mailtrap mandrill mapbox "
    "mapillary mapmyindia mapquest marketstack mashape matomo mattermost mavenlink maxcdn maxmind mediastack "
    "meilisearch meistertask mem0 meraki mercadopago mercury_ mergify mesibo message-bird message_bird "
    "messagebird metaapi metabase meteostat metrilo microcms midtrans mindmeister minimax miro mistral mite_ "
    "mixpanel mollie monkeylearn monkeytype moonclerk moonpay moonshot moosend moralis mparticle mrticktock "
    "msgraph mulesoft murf_ mux mydnsjp mysportsfeeds nango nasdaq ncei nebius neo4j neon_ nethunt netlify "
    "new-york-times new_relic newrelic newsapi newscatcher newsdata newyorktimes nexmo nexus_ nftport ngrok "
    "nicereply nightfall nordpass northflank noticeable notion novita novu_ numverify nutritionix nutshell "
    "nvidia nylas nytimes oanda okta oktopost omdb omnisend oneai onedesk onelogin onepagecrm onesignal onetrust "
    "onfido onwater oopspam openai opencage opencorporates opengraph openpipe openrouter openshift openstack "
    "openuv openweather opsgenie opsworks optidash optimizely overloop ovh owlbot owlracle pagarme pagerduty "
    "palantir pandadoc pandascore pangea paperform paperspace papertrail paralleldots parsehub parseur "
    "partnerstack passbase pastebin patreon paydirt paymill paymo paymongo paypal paystack payu_ pdf.co pdflayer "
    "pdfshift peopledatalabs permit.io perplexity petfinder pexels phabricator phaxio phyllo pinata pinecone "
    "pingdom pingidentity pinterest pipedream pipedrive pivotaltracker pixabay plaid planetscale planhat "
    "planview planyo plausible playfab plisio plivo podio podscan pollsapi poloniex polygonio polymarket porter_ "
    "portkey positionstack postageapp postbacks posthog postman postmark postmates powrbot predibase prefect "
    "pricelabs printful prismic private-ai private_ai privateai prodpad productboard profitwell promptlayer "
    "proofly propelauth proxycrawl publer pubnub pulumi purestake pushbullet pusher pushover qase qdrant qonto "
    "qovery quaderno qualtrics qualys quay.io qubole quickbooks quicket quickfile quicknode rackspace railway "
    "rapid7 rapidapi raygun razorpay readwise rebrandly recaptcha recraft recurly reddit redhat reducto refiner "
    "reka_ remove.bg removebg render renovate rentman repairshopr replicate replit replyio requestfinance resend "
    "respond.io restpack retell rethinkdb rev.ai revenuecat reviewboard ringcentral riot_games ritekit roblox "
    "roboflow rocketchat rocketreach rollbar rootly routee rownd rubygem rudderstack rundeck runpod runrun "
    "runway sailpoint salesblink salesflare salesforce salesloft salesmate sambanova sanity.io sanity_ "
    "satismeter saucelabs scaleapi scaleway scalr scrapeowl scraperapi scrapersite scrapestack scrapfly "
    "scrapingbee scrutinizer scw seatgeek secureauth securitytrails segment.io segment_ segmind sematext semgrep "
    "sendbird sendgrid sendinblue sendoso sendpulse sentinelone sentry serpapi serper serphouse serpstack "
    "servicenow sevdesk shapediver sherpadesk shipday shipengine shippo shodan shopify shortcut_ shortio "
    "shutterstock sidekiq siftscience signalwire signaturit signnow signupgenius sigopt siliconflow simfin "
    "simplesat simplynoted sinch singlestore siteleaf skrapp skybiometry skyscanner slack smartling smartsheet "
    "smsapi smugmug snipcart snowflake snowplow snyk socialpilot softlayer sonar_ sonarqube sonatype soniox "
    "soundcloud sourcegraph spacelift sparkpost speechify speechmatics speechtext spendesk splitio splunk "
    "spondyr spoonacular sportmonks sportradar sportsmonk spotify springserve squarespace sslmate stability "
    "statsig statuspage stepfun stockdata stormboard stormglass storyblok strapi strava streamlit stripe stytch "
    "sugarcrm sugester sumo sumologic supabase superblocks supertokens supportivekoala surrealdb surveybot "
    "surveymonkey surveyplanet surveysparrow survicate svix swiftype symbl synthesia tableau tailscale tana_ "
    "tarpon tatum tavily taxjar teamcity teamgate teamviewer teamwork technicalanalysis tefter telegram telesign "
    "telnyx tenable tencent tenderly testrail text2data textlocal textmagic theoddsapi thinkific thousandeyes "
    "thycotic ticketmaster ticktick tidb_ tiingo tiktok timezoneapi tink_ tinypng tmetric todoist togetherai "
    "toggl tokeet tomtom toodledo tradier transferwise transifex travelpayouts travis trello trigger.dev trimble "
    "tripo tru_ trueid trustpilot tumblr turso twelvedata twilio twitch twitter tyntec typeform typesense "
    "ubidots unreal_ unsplash upcdatabase upcloud uplead uploadcare uproc upstage upstash uptimerobot upwave "
    "urbanairship urlscan userflow userfront userlike userstack valtown vapi vatlayer vectara veracode vercel "
    "verifalia veriff verimail veriphone versioneye viewneo vimeo virustotal visiblethread visualcrossing "
    "voiceflow voicegain volcengine vonage vouchery voyage voyageai vpnapi vultr vyte wakatime walkscore wandb "
    "wati_ weatherapi weatherbit weatherstack weaviate webengage webex webflow webscraper webscraping webshare "
    "wepay wepow whatcms whatfix whoisxml wistia wit.ai wiz_ wiza woocommerce woosmap wootric wordpress workday "
    "workiom workos workstack worldcoin worldweather wpengine wrike wufoo xata_ xbox_ xendit xero xunfei yandex "
    "yelp ynab yodlee yotpo you.com youneedabudget youtube yugabyte zamzar zapier zapsplat zeabur zendesk zenkit "
    "zenrows zenscrape zenserp zeplin zerobounce zhipu zilliz zipapi zipbooks zitadel zoho zoom zulip zuora"
)
VENDORS = tuple(_VENDORS.split())
"""Providers whose keys have no form of their own: a random value is one where their name stands before it."""

_UUID_VENDORS = (
    "heroku postmark snyk hubspot squarespace codecov loggly opsgenie coinmarketcap coinapi urlscan wakatime kucoin "
    "okx scaleway pinecone vapi falai shortcut exa"
)
UUID_VENDORS = frozenset(_UUID_VENDORS.split())
"""Those of them whose keys are UUIDs: elsewhere a UUID is an id unless its name speaks of a key."""
