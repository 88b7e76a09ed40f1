{% include "routers/bundle/untried/head.txt" -%}
#
# Windows Server の「ルーティングとリモート アクセス」でのサイト間接続です。役割の追加は Install-RemoteAccess の説明書に従います。 #
# Site-to-site by Routing and Remote Access of Windows Server. Add the role first, as the manual of
# Install-RemoteAccess says. Run this as administrator, in the folder of these files.
{% if v.certificate -%}
{% include "routers/bundle/untried/certificate.txt" -%}
{% endif -%}
{% if v.psks -%}
{% include "routers/bundle/untried/key.txt" -%}
{% endif -%}
#
# 相手に示す名前 (IKE ID) を {{ v.dns_name }} に決める設定は、説明書に見つかりませんでした。 #
# Nothing in the manual sets the IKE ID to {{ v.dns_name }}: see whether the other end takes what Windows sends.
$ErrorActionPreference = 'Stop'
{% if v.certificate %}
# Authorities, own certificate. Incoming tunnels are taken from certificates below this root alone.
Copy-Item root.pem sekisho-root.cer
$root = Import-Certificate -FilePath sekisho-root.cer -CertStoreLocation Cert:\LocalMachine\Root
{% for issuer in v.issuers %}Copy-Item {{ issuer.file }} sekisho-{{ issuer.file }}.cer
Import-Certificate -FilePath sekisho-{{ issuer.file }}.cer -CertStoreLocation Cert:\LocalMachine\CA
{% endfor %}$passphrase = Read-Host -AsSecureString 'Passphrase of {{ v.id }}.p12'
$own = Import-PfxCertificate -FilePath {{ v.id }}.p12 -CertStoreLocation Cert:\LocalMachine\My -Password $passphrase |
  Where-Object { $_.HasPrivateKey }
Set-VpnAuthProtocol -UserAuthProtocolAccepted Certificate -TunnelAuthProtocolsAdvertised Certificates `
  -RootCertificateNameToAccept $root -CertificateAdvertised $own
# 失効リストを取得できない相手は断ります (このコンピューターの IPsec すべてに効きます)。 #
# No tunnel where the list of what was revoked cannot be fetched. This counts for all IPsec of this computer.
Set-NetFirewallSetting -CertValidationLevel RequireCrlCheck
# Lists, by plain HTTP from the addresses in the certificates:
#   {{ v.root_list_address }}
{% for issuer in v.issuers %}#   {{ issuer.list_address }}
{% endfor %}Restart-Service RemoteAccess
{% endif -%}
{% for peer in v.peers %}
{%- include "routers/bundle/untried/peer.txt" -%}
{% if peer.has_psk() -%}
$key = Read-Host 'KEY-OF-THE-PAIR {{ peer.id }}'
{% else -%}
# 相手の名前 {{ peer.dns_name }} で接続先が見つかるように、DNS か hosts ファイルに登録します。 #
# The name has to lead to the other end ({{ peer.endpoint }}): it is compared with the names in its certificate.
{% endif -%}
$local = New-VpnTrafficSelector -IPAddressRange '{{ v.network.network() }}', '{{ v.network.broadcast() }}' -Type {% if v.is_ipv6() %}IPv6{% else %}IPv4{% endif %}
$remote = New-VpnTrafficSelector -IPAddressRange '{{ peer.network.network() }}', '{{ peer.network.broadcast() }}' -Type {% if v.is_ipv6() %}IPv6{% else %}IPv4{% endif %}
Add-VpnS2SInterface -Name '{{ peer.id }}' -Protocol IKEv2 -Destination '{% if peer.has_psk() %}{{ peer.endpoint }}{% else %}{{ peer.dns_name }}{% endif %}' `
  {% if peer.has_psk() %}-AuthenticationMethod PSKOnly -ResponderAuthenticationMethod PSKOnly -SharedSecret $key{% else %}-AuthenticationMethod MachineCertificates -ResponderAuthenticationMethod MachineCertificates -Certificate $own{% endif %} `
  {% if v.is_ipv6() %}-IPv6Subnet{% else %}-IPv4Subnet{% endif %} '{{ peer.network }}:100' -LocalVpnTrafficSelector $local -RemoteVpnTrafficSelector $remote `
  -CustomPolicy -EncryptionMethod AES256 -IntegrityCheckMethod SHA256 -DHGroup {% if peer.suite.group.number() == 19 %}ECP256{% else %}Group14{% endif %} `
  -CipherTransformConstants AES256 -AuthenticationTransformConstants SHA256128 -PfsGroup None `
  -MMSALifeTimeSeconds {{ v.stands(peer) }} -NetworkOutageTimeSeconds 30 -NumberOfTries 0 -Persistent
{% if peer.has_psk() %}Remove-Variable key
{% endif -%}
{% if peer.opens %}Connect-VpnS2SInterface -Name '{{ peer.id }}'
{% endif -%}
{% endfor %}
# つながったかどうか / whether it stands: #
Get-VpnS2SInterface | Format-List Name, ConnectionState, LastError
