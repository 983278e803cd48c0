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
    **dict.fromkeys(("v1.0-", "4b1d", "YCP", "exo", "EXO", "SCW", "fnA", "scw-", "ico-", "essu_", "sha256~"), 24),
    # Code: hosts, builds, registries.
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "sgp_", "sgs_", "slk_"), 16),
    **dict.fromkeys(("glpat-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glffct-", "glimt-"), 16),
    **dict.fromkeys(("glagent-", "glsoat-", "gloas-", "glwt-", "glpt-", "_gitlab_session=", "GR1348941"), 16),
    **dict.fromkeys(("ATBB", "ATCTT3", "ATATT3", "ATSTT3", "ATTA", "BBDC-", "bkua_", "CCIPAT_", "CCIPRJ_"), 20),
    **dict.fromkeys(("sqp_", "squ_", "sqa_", "dckr_pat_", "dckr_oat_", "npm_", "pypi-", "rubygems_", "CLOJARS_"), 20),
    **dict.fromkeys(("cmVmdGtuO", "reftkn", "snyk_", "tfp_", "jfrt_", "cpat_", "expo_"), 24),
    **dict.fromkeys(("aio_", "p8e-", "cnvca", "CCDB1_", "isat_", "lmb_", "lma_", "md-", "xau_", "vtwn_", "tss_"), 20),
    **dict.fromkeys(("samsara_api_", "sindri_", "rootly_", "pina_"), 16),
    # Chat and mail.
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
    # Watching, working together, identity.
    **dict.fromkeys(("NRAK-", "NRII-", "NRJS-", "NRBR-", "NRSP-", "NRRA-", "glsa_", "glc_", "PMAK-", "PMAT-"), 14),
    **dict.fromkeys(("sntrys_", "sntryu_", "sntrya_", "sntryi_", "phc_", "phx_", "pha_", "phr_", "phs_"), 18),
    **dict.fromkeys(("hcaik_", "hcamk_", "hcbik_", "lin_api_", "lin_oauth_", "ntn_", "secret_", "figd_", "figo_"), 20),
    **dict.fromkeys(("figu_", "pat-na1-", "pat-eu1-", "waka_", "fio-u-", "pnu_", "pnb_", "CFPAT-", "rdme_"), 20),
    **dict.fromkeys(("tk-us-", "sm_aat_", "sm_pat_", "sm_sat_", "ory_at_", "ory_rt_", "ory_pat_", "ory_st_"), 16),
    **dict.fromkeys(("pub-c-", "sub-c-", "sec-c-", "s-s4t2", "BBFF-", "TlRMTVNTUA", "xprv", "secret-"), 16),
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
    # Hashes of passwords, as files of users hold them.
    r"\$(?:2[aby]|1|5|6|y|apr1|argon2(?:id|i|d)|scrypt|pbkdf2-sha[0-9]{1,3})\$[A-Za-z0-9./+=,$-]{20,}",
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
    ("=", r"[A-Za-z0-9+/]{86}=="),
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
    "cluster instance snapshot volume subnet vpc eni ami sg igw rtb nat lb arn stack"
)
ID_HEADS = frozenset(_ID_HEADS.split())
"""What ids begin with that are no secrets."""

_VENDORS = (
    "1password abuseipdb adafruit adobe adyen agora aikido airbrake airtable aiven akamai alchemy algolia alibaba "
    "aliyun amplitude ansible anthropic apify apollo appcenter appdynamics appsflyer appwrite artifactory asaas "
    "asana assemblyai atlassian attentive auth0 authy autodesk avalara aws_secret azure backblaze bamboohr "
    "baseten beamer betterstack bigcommerce binance bitbucket bitly bittrex blockfrost bluesky bluesnap braintree "
    "branch.io braze bridgecrew browserstack bugsnag buildkite bunny.net buttondown bytescale calendly canva "
    "cartesia cartodb cerebras chargebee checkly circleci clarifai clearbit clerk clickhouse clickup cloudant "
    "cloudconvert cloudflare cloudinary cloudsmith codacy codeclimate codecov cohere coinapi coinbase coingecko "
    "coinmarketcap cometml commercetools composio confluence confluent contentful convertkit couchbase countly "
    "covalent coveralls cronitor crowdin crunchbase currencylayer customerio dailymotion data.gov databricks "
    "datadog datarobot datastax deepai deepgram deepinfra deepl deepseek descope devcycle digicert directus "
    "discord dnsimple dockerhub docusign doppler droneci dropbox dwolla dynatrace easypost ebay edamam "
    "elasticemail elevenlabs endor etherscan etsyfacebook eventbrite exoscale falai fastly fauna fibery figma "
    "finicity finnhub firebase firecrawl fireworks fixer.io flagsmith flatfile flickr flightaware flutterwave "
    "foursquare freshbooks freshdesk friendli fullstory genesys geoapify geocodio getresponse giphy gitea github "
    "gitlab gitter gladia gocardless gong.io google grafana gravatar greenhouse groq gumroad hashicorp hasura "
    "helicone helius helpscout heroku hetzner highnote holidayapi honeycomb hookdeck hubspot huggingface "
    "hyperbolic ibm_cloud ibmcloud iexcloud imgix imgur incident.io influxdb infobip infracost infura inngest "
    "instagram instatus intercom ionos ipinfo iterable jenkins jfrog jina.ai jira jotform jumpcloud kaggle keycdn "
    "keygen kickbox klarna klaviyo koyeb kraken kucoin langchain langfuse langsmith lastfm launchdarkly "
    "lemonsqueezy line_channel linkedin linode litellm liveblocks livechat livekit loadmill lob logdna logzio "
    "lokalise looker magento mailboxlayer mailchimp mailerlite mailersend mailgun mailjet mailtrap mandrill "
    "mapbox mapillary mapquest marketstack mashape mattermost maxmind meilisearch mem0 meraki mergify message- "
    "bird message_bird messagebird metabase midtrans miro mistral mixpanel moonshot moosend moralis mparticle mux "
    "mydnsjp neon_ netlify new-york-times new_relic newrelic newsapi newyorktimes ngrok nightfall notion "
    "nutritionix nvidia nylas nytimes okta omnisend onelogin onesignal onfido openai openrouter openshift "
    "openstack openweather opsgenie optimizely ovh owlbot pagerduty pandadoc papertrail patreon paymongo paypal "
    "paystack pdfshift perplexity pexels pinata pinecone pingdom pipedream pipedrive plaid planetscale plausible "
    "plivo podio polygonio polymarket portkey posthog postman postmark prefect prismic private-ai private_ai "
    "privateai productboard pubnub pulumi pushbullet pusher pushover qdrant qonto qualtrics quay.io quickbooks "
    "quicknode railway rapidapi raygun razorpay rebrandly recaptcha recurly reddit render replicate replit resend "
    "revenuecat ringcentral rollbar rootly runpod salesforce sanity.io saucelabs scaleway scalr scrapfly "
    "scrapingbee scw seatgeek segment.io segment_ sematext sendbird sendgrid sendinblue sendpulse sentinelone "
    "sentry serpapi serper servicenow shippo shodan shopify shortcut_ shutterstock sidekiq signalwire skyscanner "
    "slack smartsheet snipcart snowflake snyk softlayer sonar_ sonarqube soniox sourcegraph sparkpost "
    "speechmatics splunk spoonacular spotify squarespace stability statuspage storyblok strapi strava streamlit "
    "stripe stytch sumo sumologic supabase surveymonkey svix tableau tailscale tatum tavily taxjar teamcity "
    "telegram telnyx tencent testrail textmagic ticketmaster tiktok tinypng todoist togetherai tomtom travis "
    "trello trustpilot tumblr turso twelvedata twilio twitch twitter typeform ubidots unsplash uploadcare upstash "
    "urlscan userstack vapi vercel veriphone vimeo virustotal visualcrossing voiceflow vonage voyage voyageai "
    "vultr wakatime wandb weatherapi weaviate webex webflow whoisxml wistia woocommerce wordpress workday workos "
    "wrike xendit xero yandex yelp yotpo youtube zapier zendesk zenrows zeplin zerobounce zilliz zoho zoom zulip"
)
VENDORS = tuple(_VENDORS.split())
"""Providers whose keys have no form of their own: a random value is one where their name stands before it."""
