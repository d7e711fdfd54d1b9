// What the steps to the newest schema make, as definitions() of store/schema.h shows it.
#pragma once

#include <string_view>

namespace everseal::store {

// To go all the steps only to compare takes longer than all else that a command with nothing to do
// does. A test compares them, and shows the text that belongs here after a new step.
inline constexpr std::string_view kNewestSchema =
    "index certificates_by_look: CREATEINDEXcertificates_by_lookONcertificates(next_look)\n"
    "index certificates_by_renewal: CREATEINDEXcertificates_by_renewalONcertificates(renew_at"
    ")\n"
    "index certificates_failing: CREATEINDEXcertificates_failingONcertificates(not_after)WHER"
    "Efailures>0ORfailing<>'[]'\n"
    "index change_files_by_change: CREATEINDEXchange_files_by_changeONchange_files(change_id)\n"
    "index chores_failing: CREATEINDEXchores_failingONchores(kind)WHEREfailures>0\n"
    "index events_by_subject: CREATEINDEXevents_by_subjectONevents(subject)\n"
    "index served_troubles: CREATEINDEXserved_troublesONserved(certificate_id)WHEREsight<>'ri"
    "ght'\n"
    "index sqlite_autoindex_certificates_1: \n"
    "index versions_unfinished: CREATEINDEXversions_unfinishedONversions(certificate_id)WHERE"
    "stateIN('pending','ready')\n"
    "table accounts: CREATETABLEaccounts(serverTEXTPRIMARYKEY,urlTEXTNOTNULL,"
    "contactsTEXTNOTNULL,terms_agreed_atINTEGERNOTNULL,"
    "thumbprintTEXTNOTNULLDEFAULT'')WITHOUTROWID\n"
    "table certificates: CREATETABLEcertificates(idINTEGERPRIMARYKEY,nameTEXTNOTNULLUNIQUE,"
    "namesTEXTNOTNULL,serverTEXTNOTNULL,key_typeTEXTNOTNULL,methodTEXTNOTNULL,"
    "webrootsTEXTNOTNULL,preferred_chainTEXTNOTNULL,in_nginxINTEGERNOTNULL,"
    "versionINTEGERNOTNULL,not_beforeINTEGERNOTNULL,not_afterINTEGERNOTNULL,"
    "renew_atINTEGERNOTNULL,fingerprintTEXTNOTNULL,failuresINTEGERNOTNULL,"
    "last_errorTEXTNOTNULL,last_attemptINTEGERNOTNULL,next_attemptINTEGERNOTNULL,"
    "in_haproxyTEXTNOTNULLDEFAULT'',besideTEXTNOTNULLDEFAULT'',"
    "renewal_idTEXTNOTNULLDEFAULT'',drawINTEGERNOTNULLDEFAULT0,"
    "window_startINTEGERNOTNULLDEFAULT0,window_endINTEGERNOTNULLDEFAULT0,"
    "window_explanationTEXTNOTNULLDEFAULT'',ask_atINTEGERNOTNULLDEFAULT0,"
    "first_failureINTEGERNOTNULLDEFAULT0,coveredTEXTNOTNULLDEFAULT'[]',"
    "failingTEXTNOTNULLDEFAULT'[]',next_lookINTEGERNOTNULLDEFAULT0,"
    "requestTEXTNOTNULLDEFAULT'',handed_overTEXTNOTNULLDEFAULT'',"
    "key_sinceINTEGERNOTNULLDEFAULT0)\n"
    "table change_files: CREATETABLEchange_files(idINTEGERPRIMARYKEY,change_idINTEGERNOTNULL,"
    "pathTEXTNOTNULL,beforeBLOB,afterBLOB)\n"
    "table changes: CREATETABLEchanges(idINTEGERPRIMARYKEY,atINTEGERNOTNULL,stateTEXTNOTNULL,"
    "summaryTEXTNOTNULL,sitesTEXTNOTNULLDEFAULT'[]')\n"
    "table chores: CREATETABLEchores(kindTEXTNOTNULL,subjectTEXTNOTNULL,"
    "done_atINTEGERNOTNULL,done_forTEXTNOTNULL,failuresINTEGERNOTNULL,"
    "first_failureINTEGERNOTNULL,last_failureINTEGERNOTNULL,last_errorTEXTNOTNULL,"
    "next_attemptINTEGERNOTNULL,PRIMARYKEY(kind,subject))WITHOUTROWID\n"
    "table events: CREATETABLEevents(idINTEGERPRIMARYKEY,atINTEGERNOTNULL,subjectTEXTNOTNULL,"
    "textTEXTNOTNULL,kindTEXTNOTNULLDEFAULT'')\n"
    "table incidents: CREATETABLEincidents(keyTEXTPRIMARYKEY,headlineTEXTNOTNULL,"
    "sinceINTEGERNOTNULL,told_atINTEGERNOTNULL,onceINTEGERNOTNULLDEFAULT0)WITHOUTROWID\n"
    "table limits: CREATETABLElimits(bucketTEXTPRIMARYKEY,full_atINTEGERNOTNULL)WITHOUTROWID\n"
    "table moments: CREATETABLEmoments(nameTEXTPRIMARYKEY,atINTEGERNOTNULL)WITHOUTROWID\n"
    "table served: CREATETABLEserved(certificate_idINTEGERPRIMARYKEY,sightTEXTNOTNULL,"
    "checked_atINTEGERNOTNULL,fingerprintTEXTNOTNULL,not_afterINTEGERNOTNULL,"
    "placesTEXTNOTNULL,problemTEXTNOTNULL)\n"
    "table versions: CREATETABLEversions(certificate_idINTEGERNOTNULL,numberINTEGERNOTNULL,"
    "stateTEXTNOTNULL,order_urlTEXTNOTNULL,not_beforeINTEGERNOTNULL,not_afterINTEGERNOTNULL,"
    "fingerprintTEXTNOTNULL,renewal_idTEXTNOTNULLDEFAULT'',namesTEXTNOTNULLDEFAULT'[]',"
    "key_sinceINTEGERNOTNULLDEFAULT0,PRIMARYKEY(certificate_id,number))WITHOUTROWID\n";

}  // namespace everseal::store
